/** What the operator does about the service level: planned work, corrections, the closing of months. */
import { EXIT, type Lang, printJson, readArguments, UsageError } from './command.ts'
import { askInstallation } from './operator-command.ts'

const text = { type: 'string' } as const
const byWhom = { by: text }
const range = { from: text, to: text }

const verbs = {
  announce: {
    needs: ['from', 'to', 'text-zh', 'text-en', 'by'],
    options: { ...range, ...byWhom, 'text-zh': text, 'text-en': text, service: { ...text, multiple: true } },
    positionals: [],
  },
  withdraw: { needs: ['by'], options: byWhom, positionals: ['ID'] },
  correct: {
    needs: ['service', 'from', 'to', 'valid', 'ok', 'reason', 'evidence'],
    options: { ...range, service: text, valid: text, ok: text, reason: text, evidence: text },
    positionals: [],
  },
  close: { needs: [], options: {}, positionals: [] },
} as const

type Verb = keyof typeof verbs

export function isOperatorVerb(name: string): name is Verb {
  return Object.hasOwn(verbs, name)
}

/** Asks the running installation, or opens a stopped one, and prints its answer as JSON. */
export async function runOperatorVerb(verb: Verb, args: string[], lang: Lang): Promise<number> {
  const { needs, options, positionals } = verbs[verb]
  const read = readArguments(args, lang, { ...options }, positionals)
  const values = read.values as Record<string, string | string[] | undefined>
  for (const name of needs) {
    if (values[name] === undefined)
      throw new UsageError(lang === 'zh' ? `缺少 --${name}` : `--${name} is missing`)
  }
  const { 'text-zh': textZh, 'text-en': textEn, service, ...others } = values
  printJson(
    await askInstallation(lang, `sla-${verb}`, {
      ...others,
      ...(textZh === undefined ? {} : { textZh, textEn }),
      ...(Array.isArray(service) ? { services: service } : { service }),
      ...(read.positionals[0] === undefined ? {} : { id: read.positionals[0] }),
    }),
  )
  return EXIT.good
}
