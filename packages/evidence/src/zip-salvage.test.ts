import { deflateRawSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { readZip } from './evidence.ts'

/** What a common program writes: other versions and flags than ours, optionally deflated. */
function packedAnew(files: Record<string, string>, deflate: boolean): Uint8Array {
  const locals: Buffer[] = []
  const centrals: Buffer[] = []
  let offset = 0
  for (const [name, text] of Object.entries(files)) {
    const content = Buffer.from(text)
    const packed = deflate ? deflateRawSync(content) : content
    const shared = Buffer.alloc(26)
    shared.writeUInt16LE(20, 0)
    shared.writeUInt16LE(deflate ? 8 : 0, 4)
    shared.writeUInt32LE(packed.length, 14)
    shared.writeUInt32LE(content.length, 18)
    shared.writeUInt16LE(Buffer.byteLength(name), 22)
    const local = Buffer.concat([Buffer.from('PK\u0003\u0004', 'latin1'), shared, Buffer.from(name), packed])
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE(offset, 10)
    centrals.push(
      Buffer.concat([Buffer.from('PK\u0001\u0002\u0014\u0003', 'latin1'), shared, tail, Buffer.from(name)]),
    )
    locals.push(local)
    offset += local.length
  }
  const directory = Buffer.concat(centrals)
  const end = Buffer.alloc(22)
  end.write('PK\u0005\u0006', 'latin1')
  end.writeUInt16LE(centrals.length, 8)
  end.writeUInt16LE(centrals.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...locals, directory, end])
}

describe('a package that another program packed anew', () => {
  it.each([false, true])(
    'is refused for its form, and its contents are still read (deflated: %s)',
    (deflate) => {
      const { entries, problems } = readZip(packedAnew({ 'a.txt': 'one', '合同.txt': 'two' }, deflate))
      expect(problems.map(({ code }) => code)).toContain('header_changed')
      expect(entries.map(({ name, content }) => [name, new TextDecoder().decode(content)])).toEqual([
        ['a.txt', 'one'],
        ['合同.txt', 'two'],
      ])
    },
  )
})
