import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { toPem } from '@yinxin/pki'
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest'
import {
  createSamplePlatform,
  logPackage,
  type SamplePlatform,
  samplePackage,
  signSampleTask,
} from '../testing/sample-platform.ts'
import { rewriteEvents, withEntries } from '../testing/tamper.ts'
import { verifyBundle } from './bundle-verify.ts'
import { type BundleInput, prepareBundle, writeBundle } from './bundle-write.ts'
import { utf8 } from './bytes.ts'
import { readZip } from './zip-read.ts'
import { collectBytes } from './zip-write.ts'

const PACKAGE = fileURLToPath(new URL('..', import.meta.url))
const JUDGE = join(PACKAGE, 'judge/verify.py')

let folder: string
let platform: SamplePlatform
let input: BundleInput
let zip: Uint8Array

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'yinxin-evidence-'))
  platform = createSamplePlatform()
  input = await signSampleTask(platform)
  zip = await samplePackage(platform, input)
  writeFileSync(join(folder, 'log.vkey'), `${platform.vkey}\n`)
  writeFileSync(join(folder, 'root.pem'), toPem(platform.root.certificate.der, 'CERTIFICATE'))
  writeFileSync(join(folder, 'chain.pem'), toPem(platform.ca.certificate.der, 'CERTIFICATE'))
  writeFileSync(join(folder, 'evidence.zip'), zip)
  for (const { name, content } of readZip(zip).entries)
    writeFileSync(join(folder, name.replaceAll('/', '_')), content)
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Output of a program; skips the test loudly when it is not installed, which CI does not accept. */
function run(ctx: TestContext, program: string, args: readonly string[]): { code: number; text: string } {
  try {
    return { code: 0, text: execFileSync(program, args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' }) }
  } catch (error) {
    const failure = error as NodeJS.ErrnoException & { status?: number; stdout?: string; stderr?: string }
    if (failure.code !== 'ENOENT')
      return { code: failure.status ?? -1, text: `${failure.stdout}${failure.stderr}` }
    if (process.env.CI === 'true') throw new Error(`${program} is missing`)
    console.warn(`SKIPPED: ${program} is missing`)
    return ctx.skip()
  }
}

/** Verdicts of the Python verifier over many packages in one process. */
function judge(
  ctx: TestContext,
  packages: readonly Uint8Array[],
): { ok: boolean; problems: { entry: string; code: string }[] }[] {
  const files = packages.map((bytes, index) => {
    const file = join(folder, `case-${index}.zip`)
    writeFileSync(file, bytes)
    return file
  })
  const { text } = run(ctx, 'python3', [JUDGE, '--log-key', join(folder, 'log.vkey'), ...files])
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

describe('the verifier written from the specification', () => {
  it('accepts what ours accepts', (ctx) => {
    expect(judge(ctx, [zip])).toEqual([{ ok: true, problems: [] }])
  })

  it('refuses what ours refuses: bytes, entries, histories, foreign keys', {
    timeout: 300_000,
  }, async (ctx) => {
    const { entries } = readZip(zip)
    const cases: Uint8Array[] = []
    for (let at = 3; at < zip.length; at += 211) {
      const bent = zip.slice()
      bent[at] = (bent[at] as number) ^ (1 << (at % 8))
      cases.push(bent)
    }
    for (const { name, content } of entries) {
      cases.push(await withEntries(zip, (list) => list.filter((one) => one.name !== name)))
      for (const at of [0, Math.floor(content.length / 2), content.length - 2]) {
        const bent = content.slice()
        bent[at] = (bent[at] as number) ^ 1
        cases.push(
          await withEntries(zip, (list) =>
            list.map((one) => (one.name === name ? { name, content: bent } : one)),
          ),
        )
      }
    }
    cases.push(await withEntries(zip, (list) => [...list, { name: 'x', content: utf8('x') }]))
    cases.push(await withEntries(zip, (list) => [...list].reverse()))
    const forger = createSamplePlatform()
    cases.push(await samplePackage(forger, await signSampleTask(forger)))
    const verdicts = judge(ctx, cases)
    expect(verdicts).toHaveLength(cases.length)
    const anchors = { trust: [platform.root.certificate.der], logKeys: [platform.vkey] }
    verdicts.forEach((verdict, index) => {
      expect(verdict.ok, `case ${index}`).toBe(false)
      expect(verifyBundle(cases[index] as Uint8Array, anchors).ok, `case ${index}`).toBe(false)
    })
  })

  it('accepts honest packages of other shapes', async (ctx) => {
    const many = rewriteEvents(platform, input, (events) => {
      const finished = events.at(-1) as (typeof events)[number]
      return [
        ...events,
        ...Array.from({ length: 20 }, (_, n) => ({
          ...finished,
          type: 'document.viewed',
          data: { n, text: '"\\\u0007\u2028é€😀' },
        })),
      ]
    })
    const prepared = prepareBundle({
      ...many,
      documents: many.documents.map((one) => ({ ...one, name: '../ evil:名字?.PDF' })),
    })
    const strange = await collectBytes(writeBundle(prepared, logPackage(platform, prepared)))
    expect(verifyBundle(strange).problems).toEqual([])
    expect(judge(ctx, [strange])).toEqual([{ ok: true, problems: [] }])
  })
})

describe('what the README of a package tells to do', () => {
  it('openssl verifies the timestamp of the checkpoint', (ctx) => {
    const args = [
      'ts',
      '-verify',
      '-data',
      'checkpoint',
      '-in',
      'timestamps_checkpoint.tsr',
      '-CAfile',
      'root.pem',
      '-untrusted',
      'chain.pem',
    ]
    expect(run(ctx, 'openssl', args)).toMatchObject({
      code: 0,
      text: expect.stringContaining('Verification: OK'),
    })
    writeFileSync(join(folder, 'other'), 'x')
    expect(
      run(
        ctx,
        'openssl',
        args.map((one) => (one === 'checkpoint' ? 'other' : one)),
      ).code,
    ).not.toBe(0)
  })

  it('pdfsig finds both signatures of the contract valid', (ctx) => {
    const { text } = run(ctx, 'pdfsig', [join(folder, 'documents_1-采购合同.pdf')])
    expect(text.match(/Signature is Valid/g)).toHaveLength(2)
    expect(text).toContain('Total document signed')
  })

  it('sha256sum agrees with the manifest', (ctx) => {
    const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
      entries: { path: string; sha256: string }[]
    }
    const list = manifest.entries
      .map(({ path, sha256 }) => `${sha256}  ${path.replaceAll('/', '_')}\n`)
      .join('')
    writeFileSync(join(folder, 'SUMS'), list)
    expect(run(ctx, 'sha256sum', ['-c', 'SUMS']).code).toBe(0)
  })
})

describe('README.md', () => {
  it('has examples that run and print what they say', () => {
    const readme = readFileSync(join(PACKAGE, 'README.md'), 'utf8')
    const examples = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1] as string)
    expect(examples).toHaveLength(4)
    const anchors = {
      root: Buffer.from(platform.root.certificate.der).toString('base64'),
      vkey: platform.vkey,
    }
    const prelude = `import { readFileSync } from 'node:fs'
const zip = readFileSync(${JSON.stringify(join(folder, 'evidence.zip'))})
const rootDer = Buffer.from('${anchors.root}', 'base64'), vkey = '${anchors.vkey}'\n`
    const printed = examples.map((code, index) => {
      const source = index === 3 ? prelude + code : code
      return execFileSync(process.execPath, ['--input-type=module-typescript', '-e', source], {
        cwd: PACKAGE,
        encoding: 'utf8',
      }).trim()
    })
    expect(printed).toEqual(['[]', 'true', '0', 'true 6 true true'])
  })
})
