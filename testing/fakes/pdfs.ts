/** Small PDFs of every kind that an upload may be, made by hand so that each says exactly one thing. */
import { createRequire } from 'node:module'
import PDFDocument from 'pdfkit'

/** A classic file of these objects; object 1 must be the catalog. */
export function pdfOf(objects: readonly string[], trailer = ''): Buffer {
  const parts: Buffer[] = [Buffer.from('%PDF-1.7\n%\xe2\xe3\xcf\xd3\n', 'latin1')]
  const offsets: number[] = []
  let at = parts[0]?.length ?? 0
  const add = (text: string) => {
    const bytes = Buffer.from(text, 'latin1')
    parts.push(bytes)
    at += bytes.length
  }
  objects.forEach((object, i) => {
    offsets.push(at)
    add(`${i + 1} 0 obj\n${object}\nendobj\n`)
  })
  const start = at
  add(`xref\n0 ${objects.length + 1}\n0000000000 65535 f \n`)
  for (const offset of offsets) add(`${String(offset).padStart(10, '0')} 00000 n \n`)
  add(`trailer\n<</Size ${objects.length + 1}/Root 1 0 R${trailer}>>\nstartxref\n${start}\n%%EOF\n`)
  return Buffer.concat(parts)
}

const page = (extra = '') => `<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]${extra}>>`

/** One empty page, with more in the catalog, on the page, or beside them. */
export function plainPdf(options: { catalog?: string; page?: string; more?: string[] } = {}): Buffer {
  return pdfOf([
    `<</Type/Catalog/Pages 2 0 R${options.catalog ?? ''}>>`,
    '<</Type/Pages/Kids[3 0 R]/Count 1>>',
    page(options.page),
    ...(options.more ?? []),
  ])
}

export function pdfWithoutPages(): Buffer {
  return pdfOf(['<</Type/Catalog/Pages 2 0 R>>', '<</Type/Pages/Kids[]/Count 0>>'])
}

export function pdfWithPages(count: number): Buffer {
  const kids = Array.from({ length: count }, (_, i) => `${i + 3} 0 R`).join(' ')
  return pdfOf([
    '<</Type/Catalog/Pages 2 0 R>>',
    `<</Type/Pages/Kids[${kids}]/Count ${count}>>`,
    ...Array.from({ length: count }, () => page()),
  ])
}

/** One page and a stream of noise, so that the file has about this size and does not compress. */
export function largePdf(sizeBytes: number): Buffer {
  const noise = Buffer.alloc(sizeBytes)
  for (let i = 0, state = 1; i < sizeBytes; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    noise[i] = state >>> 24
  }
  return plainPdf({ more: [`<</Length ${sizeBytes}>>\nstream\n${noise.toString('latin1')}\nendstream`] })
}

/** Files that act, fetch or hide, by what the platform should call them. */
export const activePdfs: Record<string, Buffer> = {
  javascript: plainPdf({ catalog: '/OpenAction<</S/JavaScript/JS(app.alert(1))>>' }),
  'javascript hidden by hex escapes': plainPdf({
    catalog: '/Names<</Java#53cript 4 0 R>>',
    more: ['<</Names[(x)5 0 R]>>', '<</S/Java#53cript/JS(app.alert(1))>>'],
  }),
  launch: plainPdf({
    page: '/Annots[4 0 R]',
    more: ['<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A<</S/Launch/F(cmd.exe)>>>>'],
  }),
  'embedded-file': plainPdf({
    catalog: '/Names<</EmbeddedFiles<</Names[(a)4 0 R]>>>>',
    more: [
      '<</Type/Filespec/F(a.txt)/EF<</F 5 0 R>>>>',
      '<</Type/EmbeddedFile/Length 1>>\nstream\nx\nendstream',
    ],
  }),
  'submit-form': plainPdf({
    page: '/Annots[4 0 R]',
    more: ['<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A<</S/SubmitForm/F(http://x.test)>>>>'],
  }),
}

/** Words placed by an independent writer (pdfkit), upper left corner of each in points. */
export interface PlacedWords {
  text: string
  x: number
  y: number
  size?: number
}

export function textPdf(
  words: readonly PlacedWords[],
  options: { rotate?: 90 | 180 | 270; password?: string } = {},
): Promise<Buffer> {
  const document = new PDFDocument({
    size: 'A4',
    margin: 0,
    ...(options.password === undefined ? {} : { userPassword: options.password }),
  })
  const chunks: Buffer[] = []
  const font = createRequire(import.meta.url).resolve(
    '@expo-google-fonts/noto-serif-sc/400Regular/NotoSerifSC_400Regular.ttf',
  )
  document.font(font)
  for (const { text, x, y, size = 14 } of words)
    document.fontSize(size).text(text, x, y, { lineBreak: false })
  if (options.rotate !== undefined) Object.assign(document.page.dictionary.data, { Rotate: options.rotate })
  return new Promise((resolve, reject) => {
    document.on('data', (chunk: Buffer) => chunks.push(chunk))
    document.on('end', () => resolve(Buffer.concat(chunks)))
    document.on('error', reject)
    document.end()
  })
}

/** Text in a font that is not embedded and has no Unicode table: only a predefined character map can read it. */
export function predefinedMapPdf(text: string, x: number, y: number, size = 20): Buffer {
  const hex = Buffer.from(text, 'utf16le').swap16().toString('hex')
  const stream = `BT /F1 ${size} Tf ${x} ${y} Td <${hex}> Tj ET`
  return plainPdf({
    page: '/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>',
    more: [
      `<</Length ${stream.length}>>\nstream\n${stream}\nendstream`,
      '<</Type/Font/Subtype/Type0/BaseFont/STSong-Light/Encoding/UniGB-UCS2-H/DescendantFonts[6 0 R]>>',
      '<</Type/Font/Subtype/CIDFontType0/BaseFont/STSong-Light/CIDSystemInfo<</Registry(Adobe)/Ordering(GB1)/Supplement 4>>/FontDescriptor 7 0 R/DW 1000>>',
      '<</Type/FontDescriptor/FontName/STSong-Light/Flags 6/FontBBox[-25 -254 1000 880]/ItalicAngle 0/Ascent 880/Descent -120/CapHeight 880/StemV 93>>',
    ],
  })
}
