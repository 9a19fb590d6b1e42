import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 as zlibCrc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from './bytes.ts'
import { crc32 } from './crc32.ts'
import { isSafeName } from './zip-format.ts'
import { ARCHIVE, readZip } from './zip-read.ts'
import { collectBytes, writeZip, type ZipInput } from './zip-write.ts'

const inputs: ZipInput[] = [
  { name: 'manifest.json', content: utf8('{}') },
  { name: 'documents/1-合同.pdf', content: utf8('%PDF-1.7 not really') },
  { name: 'empty', content: new Uint8Array(0) },
]
const names = inputs.map((input) => input.name)
const zipOf = (list: ZipInput[]) => collectBytes(writeZip(list))

describe('ZIP', () => {
  it('computes CRC-32 as zlib does, also in pieces', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 300 }), (bytes, cut) => {
        expect(crc32(bytes)).toBe(zlibCrc32(bytes))
        expect(crc32(bytes.subarray(cut), crc32(bytes.subarray(0, cut)))).toBe(zlibCrc32(bytes))
      }),
    )
  })

  it('reads back what it wrote', async () => {
    const name = fc.stringMatching(/^[a-z一-龥]{1,8}(\/[a-z]{1,8})?$/)
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.record({ name, content: fc.uint8Array() }), {
          selector: (one) => one.name,
          maxLength: 6,
        }),
        async (list) => {
          const { entries, problems } = readZip(await zipOf(list))
          expect(problems).toEqual([])
          expect(entries).toEqual(list)
        },
      ),
    )
  })

  it('streams large content without holding it, and notices when it changes', async () => {
    const chunk = new Uint8Array(1000).fill(65)
    let readings = 0
    const stream = async function* () {
      readings += 1
      for (let i = 0; i < 50; i++) yield chunk
    }
    const zip = await zipOf([{ name: 'a', content: stream }])
    expect(readings).toBe(2)
    expect(readZip(zip).entries[0]?.content).toHaveLength(50_000)
    const fickle = async function* () {
      readings += 1
      yield Uint8Array.of(readings)
    }
    await expect(zipOf([{ name: 'a', content: fickle }])).rejects.toMatchObject({ code: 'bad_zip_input' })
  })

  it('is unpacked by a foreign implementation', async (ctx) => {
    const folder = mkdtempSync(join(tmpdir(), 'yinxin-zip-'))
    try {
      const file = join(folder, 'a.zip')
      writeFileSync(file, await zipOf(inputs))
      const program =
        'import sys,zipfile;z=zipfile.ZipFile(sys.argv[1]);assert z.testzip() is None;sys.stdout.reconfigure(encoding="utf-8");print("\\n".join(z.namelist()))'
      let out: string
      try {
        out = execFileSync('python3', ['-c', program, file], { encoding: 'utf8' })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || process.env.CI === 'true') throw error
        console.warn('SKIPPED: python3 is missing, the ZIP was not read by another implementation')
        return ctx.skip()
      }
      expect(out.trim().split('\n')).toEqual(names)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('finds every flipped bit of every byte and names an entry', async () => {
    const zip = await zipOf(inputs)
    const endOffset = zip.length - 22
    for (let at = 0; at < zip.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const bent = zip.slice()
        bent[at] = (bent[at] as number) ^ (1 << bit)
        const { problems } = readZip(bent)
        expect(problems, `byte ${at} bit ${bit}`).not.toEqual([])
        // Only the record at the very end belongs to no entry.
        if (at < endOffset)
          expect(
            problems.some(({ entry }) => names.includes(entry)),
            `byte ${at} bit ${bit}`,
          ).toBe(true)
      }
    }
  })

  it('finds cut, added, repeated and reordered data', async () => {
    const zip = await zipOf(inputs)
    for (let length = 0; length < zip.length; length++) {
      expect(readZip(zip.subarray(0, length)).problems).not.toEqual([])
    }
    expect(readZip(Buffer.concat([zip, Buffer.of(0)])).problems).toEqual([
      { entry: ARCHIVE, code: 'trailing_data', offset: zip.length },
    ])
    expect(readZip(Buffer.concat([Buffer.of(0), zip])).problems).not.toEqual([])
    const twice = await zipOf([...inputs.slice(0, 1), { name: 'manifest.jsom', content: utf8('{}') }])
    const renamed = Buffer.from(twice)
    for (let at = renamed.indexOf('manifest.jsom'); at >= 0; at = renamed.indexOf('manifest.jsom'))
      renamed.write('manifest.json', at)
    expect(readZip(renamed).problems).toEqual([
      expect.objectContaining({ entry: 'manifest.json', code: 'duplicate_name' }),
    ])
    const foreign = Buffer.from(twice)
    for (let at = foreign.indexOf('manifest.jsom'); at >= 0; at = foreign.indexOf('manifest.jsom'))
      foreign.write('../ifest.jsom', at)
    expect(readZip(foreign).problems).toEqual([
      expect.objectContaining({ entry: '../ifest.jsom', code: 'unsafe_name' }),
    ])
    const big = Buffer.from(zip)
    big.fill(0xff, 18, 26)
    expect(readZip(big).problems[0]).toMatchObject({ entry: 'manifest.json', code: 'zip64' })
    expect(readZip(utf8('hello')).problems).toEqual([{ entry: ARCHIVE, code: 'not_a_zip', offset: 0 }])
  })

  it('never throws and never hangs on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        bytes.set([0x50, 0x4b, 3, 4].slice(0, bytes.length))
        expect(readZip(bytes).problems).not.toEqual([])
      }),
    )
  })

  it('refuses names that are unsafe to unpack', async () => {
    for (const bad of [
      '',
      '/a',
      'a/',
      'a//b',
      '../a',
      'a/../b',
      './a',
      'a\\b',
      'C:a',
      'a\u0000',
      'e\u0301',
      'a\u202eb',
      'a.',
      `${'x'.repeat(256)}`,
    ]) {
      expect(isSafeName(bad), JSON.stringify(bad)).toBe(false)
      await expect(zipOf([{ name: bad, content: utf8('') }])).rejects.toMatchObject({ code: 'bad_zip_input' })
    }
    await expect(zipOf([...inputs, { name: 'EMPTY', content: utf8('') }])).rejects.toMatchObject({
      code: 'bad_zip_input',
    })
  })
})
