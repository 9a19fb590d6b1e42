// A large PDF file that costs nearly no disk, for tests and benchmarks of reading by ranges.
import { ftruncateSync, writeSync } from 'node:fs'

/** A page of text and pictures of a mebibyte each, most of them holes of the file system. */
export function writeLarge(file: number, count: number): void {
  const offsets: number[] = []
  let position = 0
  const write = (text: string) => {
    position += writeSync(file, text, position, 'latin1')
  }
  write('%PDF-1.7\n')
  const objects = [
    '<</Type/Catalog/Pages 2 0 R>>',
    '<</Type/Pages/Kids[3 0 R]/Count 1>>',
    '<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Resources<<>>>>',
  ]
  objects.forEach((body, i) => {
    offsets.push(position)
    write(`${i + 1} 0 obj\n${body}\nendobj\n`)
  })
  const size = 1 << 20
  for (let i = 0; i < count; i++) {
    offsets.push(position)
    write(
      `${i + 4} 0 obj\n<</Type/XObject/Subtype/Image/Width 1024/Height 1024/BitsPerComponent 8/ColorSpace/DeviceGray/Length ${size}>>\nstream\n`,
    )
    position += size
    ftruncateSync(file, position)
    write('\nendstream\nendobj\n')
  }
  const start = position
  const rows = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('')
  write(`xref\n0 ${offsets.length + 1}\n0000000000 65535 f \n${rows}`)
  write(`trailer\n<</Size ${offsets.length + 1}/Root 1 0 R>>\nstartxref\n${start}\n%%EOF\n`)
}
