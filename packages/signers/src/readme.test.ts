import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseCertificate } from '@yinxin/pki'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyPdf } from '../../pades/src/pades.ts'
import { samplePdf } from '../../pades/test-files.ts'
import { account, startCscStage } from '../testing/csc-stage.ts'
import { startSoftHsm } from '../testing/softhsm.ts'
import { makeKeyPair, putCertificate, rawSession } from '../testing/softhsm-keys.ts'
import { openPkcs11, pkcs11Signer } from './signers.ts'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const examples = [...readme.matchAll(/## ([^\n]*)\n(?:(?!\n## )[\s\S])*?```ts\n([\s\S]*?)```/g)]
const hsm = startSoftHsm()
let stage: Awaited<ReturnType<typeof startCscStage>>
beforeAll(async () => {
  stage = await startCscStage()
  if (hsm === undefined) return
  hsm.newToken('seals', '123456')
  const raw = rawSession(hsm.module, 'seals', '123456')
  const name = { label: 'contract seal', id: '01' }
  makeKeyPair(raw, 'p256', name)
  const token = await openPkcs11({ module: hsm.module, tokenLabel: 'seals', pin: '123456' })
  const { der, subjectDer } = parseCertificate(
    stage.pki.certify(pkcs11Signer(token, name), '某公司')[0] as Uint8Array,
  )
  putCertificate(raw, der, subjectDer, name)
  token.close()
})
afterAll(async () => {
  await stage.server.close()
  hsm?.remove()
})

/** Names an example may use without declaring them. */
const given = () => ({
  pdf: samplePdf(),
  module: hsm?.module,
  pin: '123456',
  url: stage.server.url,
  account,
  wait: stage.wait,
  dataKey: new Uint8Array(32).fill(7),
  context: new TextEncoder().encode('tenant 7'),
})

describe('the examples of the README', () => {
  it('are there', () => {
    expect(examples).toHaveLength(4)
  })

  for (const [index, [, title = '', code = '']] of examples.entries()) {
    it.skipIf(code.includes('openPkcs11') && hsm === undefined)(`run: ${title}`, async () => {
      const values = given()
      const declared = [...code.matchAll(/^const (\w+) =/gm)].map(([, name = '']) => name)
      const imports = code.match(/^import [^\n]*\n/gm)?.join('') ?? ''
      const body = code.replace(/^import [^\n]*\n/gm, '')
      const parameters = Object.keys(values).filter((name) => !declared.includes(name))
      const source = `${imports}export async function example({ ${parameters.join(', ')} }: any) {\n${body}\nreturn { ${declared.join(', ')} }\n}\n`
      const file = fileURLToPath(new URL(`../readme-example-${index}.generated.ts`, import.meta.url))
      writeFileSync(file, source)
      try {
        const module = (await import(/* @vite-ignore */ file)) as {
          example(values: unknown): Promise<{ signed?: Uint8Array; opened?: Uint8Array }>
        }
        const { signed, opened } = await module.example(values)
        if (code.includes('opened')) expect(opened).toEqual(values.dataKey)
        else {
          const { signatures } = verifyPdf(signed as Uint8Array)
          expect(signatures).toMatchObject([{ status: 'valid', coversWholeDocument: true }])
        }
      } finally {
        rmSync(file, { force: true })
      }
    })
  }
})
