import { createContext, type ReactNode, use, useCallback, useEffect, useMemo, useState } from 'react'
import { ceremonyWords } from './ceremony.ts'
import { compensationWords } from './compensation.ts'
import { consoleWords } from './console.ts'
import { custodyWords } from './custody.ts'
import { destructionWords } from './destruction.ts'
import { exportWords } from './exports.ts'
import { importWords } from './imports.ts'
import { generalWords } from './general.ts'
import { serviceLevelWords } from './service-level.ts'

/**
 * Every text of the product, Chinese beside English in one tuple: a missing translation is a type
 * error, and whoever changes one sentence sees the other.
 */
export const dictionary = {
  ...generalWords,
  ...ceremonyWords,
  ...consoleWords,
  ...compensationWords,
  ...custodyWords,
  ...exportWords,
  ...importWords,
  ...destructionWords,
  ...serviceLevelWords,
}

export type Language = 'zh' | 'en'
export type WordKey = keyof typeof dictionary

/** The `{name}` places of a text, read from its Chinese form by the type checker. */
type Places<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Places<Rest>
  : never
type Values<Key extends WordKey> = [Places<(typeof dictionary)[Key][0]>] extends [never]
  ? []
  : [values: Record<Places<(typeof dictionary)[Key][0]>, string | number>]

export interface Words {
  language: Language
  setLanguage(language: Language): void
  t<Key extends WordKey>(key: Key, ...values: Values<Key>): string
}

const Context = createContext<Words | null>(null)
const remembered = 'yinxin.language'

/** The language for requests outside React; follows the provider. */
let current: Language = readLanguage()

export function currentLanguage(): Language {
  return current
}

export function translate<Key extends WordKey>(language: Language, key: Key, ...values: Values<Key>): string {
  const text: string = dictionary[key][language === 'zh' ? 0 : 1]
  const [filled] = values as [Record<string, string | number>?]
  return filled ? text.replace(/\{(\w+)\}/g, (whole, name: string) => String(filled[name] ?? whole)) : text
}

export function WordsProvider({ children }: { children: ReactNode }) {
  const [language, set] = useState<Language>(current)
  const setLanguage = useCallback((next: Language) => {
    current = next
    localStorage.setItem(remembered, next)
    set(next)
  }, [])
  useEffect(() => {
    document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en'
  }, [language])
  const words = useMemo<Words>(
    () => ({ language, setLanguage, t: (key, ...values) => translate(language, key, ...values) }),
    [language, setLanguage],
  )
  return <Context value={words}>{children}</Context>
}

export function useWords(): Words {
  const words = use(Context)
  if (!words) throw new Error('useWords stands outside WordsProvider')
  return words
}

/** A choice made here before wins; then the browser's language; Chinese when it asks for neither. */
function readLanguage(): Language {
  const stored = localStorage.getItem(remembered)
  if (stored === 'zh' || stored === 'en') return stored
  const first = navigator.languages.find((tag) => /^(zh|en)\b/i.test(tag))
  return first?.toLowerCase().startsWith('en') ? 'en' : 'zh'
}
