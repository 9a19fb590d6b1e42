import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { samplePdf } from '../test-files.ts'
import { createTestPki } from '../test-pki.ts'
import { extendPdf, parseFont, signPdf, verifyPdf } from './pades.ts'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const examples = [...readme.matchAll(/## ([^\n]*)\n(?:(?!\n## )[\s\S])*?```ts\n([\s\S]*?)```/g)]

/** Names an example may use without declaring them. */
async function given(): Promise<Record<string, unknown>> {
  const pki = createTestPki(new Date())
  const pdf = samplePdf({ mediaBox: '0 0 300 200' })
  const font = createRequire(import.meta.url).resolve(
    '@expo-google-fonts/noto-serif-sc/600SemiBold/NotoSerifSC_600SemiBold.ttf',
  )
  const signed = await signPdf(pdf, { ...pki.p256, placements: [], signingTime: new Date() })
  const { timestamp } = pki
  const timed = await signPdf(pdf, { ...pki.p256, placements: [], signingTime: new Date(), timestamp })
  const crlOf = () => pki.crl(new Date())
  const archived = await extendPdf(timed, {
    level: 'B-LTA',
    validationData: () => ({ crls: [crlOf()] }),
    timestamp,
  })
  const form = samplePdf({
    catalog: '/AcroForm<</Fields[12 0 R]>>',
    page: '/Annots[12 0 R]',
    extra: { 12: '<</Type/Annot/Subtype/Widget/FT/Sig/T(Buyer)/Rect[20 20 140 60]/P 3 0 R>>' },
  })
  return {
    pdf,
    ...pki.p256,
    timed,
    timestamp,
    crlOf,
    archived,
    form,
    rootDer: pki.root,
    font: parseFont(readFileSync(font)),
    signed,
  }
}

describe('the examples of the README', () => {
  it('are there', () => {
    expect(examples.length).toBe(10)
  })

  for (const [index, [, title = '', code = '']] of examples.entries()) {
    it(`run: ${title}`, async () => {
      const values = await given()
      const declared = new Set(
        [...code.matchAll(/const \{?\s*([^=]*?)\s*\}? =/g)].flatMap(([, names = '']) => names.split(/,\s*/)),
      )
      const parameters = Object.keys(values).filter((name) => !declared.has(name))
      const imports = code.match(/^import [^\n]*\n/gm)?.join('') ?? ''
      const body = code.replace(/^import [^\n]*\n/gm, '')
      const source = `${imports}export async function example({ ${parameters.join(', ')} }: any) {\n${body}\nreturn { ${[...declared].join(', ')} }\n}\n`
      const file = fileURLToPath(new URL(`../readme-example-${index}.generated.ts`, import.meta.url))
      writeFileSync(file, source)
      try {
        const module = (await import(/* @vite-ignore */ file)) as {
          example(values: Record<string, unknown>): Promise<Record<string, unknown>>
        }
        const result = await module.example(values)
        for (const name of declared) expect(result[name], name).toBeDefined()
        if (result.names) expect(result.names).toEqual(['王小明 valid none'])
        if (result.sentences) {
          expect(result.indication).toBe('TOTAL_PASSED')
          expect(result.sentences).toMatchObject([
            [expect.stringMatching(/^王小明 的签名有效/), null, 'B-LTA'],
            {},
          ])
        }
        for (const made of [result.filled, result.renewed])
          if (made) expect(verifyPdf(made as Uint8Array).ok).toBe(true)
        if (result.risky) expect(result.risky).toEqual([])
      } finally {
        rmSync(file, { force: true })
      }
    })
  }
})
