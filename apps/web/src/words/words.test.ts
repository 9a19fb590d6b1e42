import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ceremonyWords } from './ceremony.ts'
import { consoleWords } from './console.ts'
import { custodyWords } from './custody.ts'
import { destructionWords } from './destruction.ts'
import { formatSize, groupHash } from './dates.ts'
import { exportWords } from './exports.ts'
import { importWords } from './imports.ts'
import { generalWords } from './general.ts'
import { serviceLevelWords } from './service-level.ts'

const parts = [
  generalWords,
  ceremonyWords,
  consoleWords,
  custodyWords,
  destructionWords,
  exportWords,
  importWords,
  serviceLevelWords,
] as const
const places = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort()

describe('the dictionary', () => {
  it('fills the same places in both languages', () => {
    const differing = parts
      .flatMap((part) => Object.entries<readonly [string, string]>(part))
      .filter(([, [zh, en]]) => places(zh).join() !== places(en).join())
    expect(differing).toEqual([])
  })

  it('leaves no text empty and no Chinese sign in an English one', () => {
    const wrong = parts
      .flatMap((part) => Object.entries<readonly [string, string]>(part))
      .filter(([key, [zh, en]]) => !zh.trim() || !en.trim() || (key !== 'language' && /[一-鿿]/.test(en)))
    expect(wrong).toEqual([])
  })

  it('uses each key in one part only', () => {
    const keys = parts.flatMap((part) => Object.keys(part))
    expect(keys.length).toBe(new Set(keys).size)
  })
})

describe('the pages', () => {
  it('leave the signs between words to the dictionary, for an English page has its own', () => {
    const pages = join(import.meta.dirname, '..')
    const found = globSync('**/*.tsx', { cwd: pages }).flatMap((path) =>
      readFileSync(join(pages, path), 'utf8')
        .split('\n')
        // What stands inside quotes is a sample, not a sign between words.
        .filter((line) => /[（）：，。《》「」、；]/.test(line.replace(/'[^']*'|^\s*(\/\/|\/?\*).*$/g, '')))
        .map((line) => `${path}: ${line.trim()}`),
    )
    expect(found).toEqual([])
  })
})

describe('figures', () => {
  it('groups a fingerprint by four', () => {
    expect(groupHash('0123456789abcdef', 12)).toBe('0123 4567 89ab')
  })

  it('says sizes in the unit a person would use', () => {
    expect([formatSize(512), formatSize(20_480), formatSize(5_452_595)]).toEqual(['512 B', '20 KB', '5.2 MB'])
  })
})
