import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeVkey, readZip } from '@yinxin/evidence'
import { toPem } from '@yinxin/pki'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createSamplePlatform,
  samplePackage,
  signSampleTask,
} from '../../../packages/evidence/testing/sample-platform.ts'
import { yinxin } from '../../../testing/children/run-command.ts'

const folder = mkdtempSync(join(tmpdir(), 'yinxin-evidence-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Anchors {
  zip: Uint8Array
  trust: string
  logKey: string
}
let own: Anchors
let rebuilt: Anchors

function file(name: string, content: Uint8Array | string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

async function issue(name: string): Promise<Anchors> {
  const platform = createSamplePlatform()
  return {
    zip: await samplePackage(platform, await signSampleTask(platform)),
    trust: file(`${name}.pem`, toPem(platform.root.certificate.der, 'CERTIFICATE')),
    logKey: file(`${name}.vkey`, `${encodeVkey(platform.log)}\n`),
  }
}

async function judge(zip: Uint8Array, { trust, logKey }: Anchors) {
  const path = file('package.zip', zip)
  const ran = await yinxin(['evidence', 'verify', path, '--trust', trust, '--log-key', logKey, '--json'])
  expect(ran.stderr).toBe('')
  return { code: ran.code, report: JSON.parse(ran.stdout) }
}

beforeAll(async () => {
  own = await issue('own')
  rebuilt = await issue('rebuilt')
})

describe('yinxin evidence verify', () => {
  it('accepts an untouched package under its anchors', async () => {
    const { code, report } = await judge(own.zip, own)
    expect(report.problems).toEqual([])
    expect({ code, ...report }).toMatchObject({ code: 0, ok: true, trusted: true, logVerified: true })
    const without = await yinxin(['evidence', 'verify', file('package.zip', own.zip), '--json'])
    expect(without.code).toBe(0)
    expect(JSON.parse(without.stdout)).toMatchObject({ ok: true, trusted: null, logVerified: null })
  })

  it('names the entry in which one byte was changed', async () => {
    const names = readZip(own.zip).entries.map((entry) => entry.name)
    expect(names.length).toBeGreaterThan(8)
    for (const name of names) {
      const changed = Uint8Array.from(own.zip)
      const at = contentOffset(own.zip, name)
      changed[at] = changed[at]! ^ 1
      const { code, report } = await judge(changed, own)
      expect(code, name).toBe(1)
      expect(report.problems.map((problem: { entry: string }) => problem.entry)).toContain(name)
    }
  })

  it('refuses a package that was rebuilt under other keys', async () => {
    const { code, report } = await judge(rebuilt.zip, own)
    expect({ code, ...report }).toMatchObject({ code: 1, ok: false, trusted: false, logVerified: false })
  })

  it('tells readably, in both languages', async () => {
    const path = file('package.zip', own.zip)
    expect((await yinxin(['evidence', 'verify', path])).stdout).toContain('证据包完整')
    expect((await yinxin(['evidence', 'verify', path, '--lang', 'en'])).stdout).toContain(
      'complete and unchanged',
    )
  })

  it('keeps unreadable apart from bad and from wrong usage', async () => {
    expect((await yinxin(['evidence', 'verify', join(folder, 'absent.zip')])).code).toBe(2)
    expect((await judge(Buffer.from('no archive'), own)).code).toBe(1)
    const path = file('package.zip', own.zip)
    for (const args of [
      ['evidence'],
      ['evidence', 'sign'],
      ['evidence', 'verify'],
      ['evidence', 'verify', path, '--log-key', own.trust],
    ]) {
      expect((await yinxin(args)).code, args.join(' ')).toBe(64)
    }
  })
})

/** Where the content of an entry begins: behind its local header (APPNOTE 4.3.7). */
function contentOffset(zip: Uint8Array, name: string): number {
  const bytes = Buffer.from(zip)
  const next = (from: number) => bytes.indexOf('PK\u0003\u0004', from, 'latin1')
  for (let at = next(0); at >= 0; at = next(at + 4)) {
    const nameLength = bytes.readUInt16LE(at + 26)
    const found = bytes.subarray(at + 30, at + 30 + nameLength).toString('utf8')
    if (found === name) return at + 30 + nameLength + bytes.readUInt16LE(at + 28)
  }
  throw new Error(`${name} is not in the archive`)
}
