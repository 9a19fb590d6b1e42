/** Plain pages of text in Chinese and English, for agreements and certificates. */
import { createRequire } from 'node:module'
import PDFDocument from 'pdfkit'

export interface Paper {
  title: string
  subtitle: string
  number: string
  blocks: PaperBlock[]
}

export type PaperBlock =
  | { kind: 'heading'; text: string }
  | { kind: 'text'; text: string }
  /** Name and value side by side. */
  | { kind: 'rows'; rows: readonly (readonly [string, string])[] }
  /** Room for a mark behind a keyword. */
  | { kind: 'signature'; keyword: string; name: string }

const MARGIN = 64

/** Draws it with an embedded subset of the font; deterministic for equal input. */
export async function drawPaper(paper: Paper): Promise<Buffer> {
  const require = createRequire(import.meta.url)
  const doc = new PDFDocument({
    size: 'A4',
    margin: MARGIN,
    bufferPages: true,
    info: { Title: paper.title, CreationDate: new Date(0), ModDate: new Date(0) },
  })
  const chunks: Buffer[] = []
  doc.on('data', (chunk: Buffer) => chunks.push(chunk))
  const done = new Promise<void>((resolve, reject) => doc.on('end', resolve).on('error', reject))
  doc
    .registerFont(
      'regular',
      require.resolve('@expo-google-fonts/noto-serif-sc/400Regular/NotoSerifSC_400Regular.ttf'),
    )
    .registerFont(
      'bold',
      require.resolve('@expo-google-fonts/noto-serif-sc/600SemiBold/NotoSerifSC_600SemiBold.ttf'),
    )
  const width = doc.page.width - 2 * MARGIN
  doc.font('regular').fontSize(9).fillColor('#6B675F').text(paper.number, { align: 'right' })
  doc.moveDown(1).font('bold').fontSize(20).fillColor('#1C1B19').text(paper.title, { align: 'center' })
  doc
    .font('regular')
    .fontSize(11)
    .fillColor('#6B675F')
    .text(paper.subtitle, { align: 'center' })
    .moveDown(1.2)
  for (const block of paper.blocks) drawBlock(doc, block, width)
  const pages = doc.bufferedPageRange()
  for (let page = 0; page < pages.count; page++) {
    doc.switchToPage(page)
    doc.page.margins.bottom = 0
    doc.font('regular').fontSize(8).fillColor('#6B675F')
    doc.text(`${paper.number} · ${page + 1} / ${pages.count}`, MARGIN, doc.page.height - 40, {
      width,
      align: 'center',
    })
  }
  doc.end()
  await done
  return Buffer.concat(chunks)
}

function drawBlock(doc: PDFKit.PDFDocument, block: PaperBlock, width: number): void {
  doc.fillColor('#1C1B19')
  switch (block.kind) {
    case 'heading':
      roomFor(doc, 60)
      doc.moveDown(0.5).font('bold').fontSize(11.5).text(block.text, MARGIN).moveDown(0.3)
      return
    case 'text':
      doc
        .font('regular')
        .fontSize(9.5)
        .text(block.text, MARGIN, undefined, { width, lineGap: 3 })
        .moveDown(0.4)
      return
    case 'rows':
      for (const [name, value] of block.rows) drawRow(doc, name, value, width)
      doc.moveDown(0.3)
      return
    case 'signature': {
      roomFor(doc, 110)
      doc.moveDown(1).font('regular').fontSize(11).text(block.keyword, MARGIN)
      doc.fontSize(9.5).fillColor('#6B675F').text(block.name, MARGIN, undefined, { width })
      doc.y += 56
    }
  }
}

function drawRow(doc: PDFKit.PDFDocument, name: string, value: string, width: number): void {
  const nameWidth = 150
  const options = { width: width - nameWidth - 10, lineGap: 2 }
  doc.font('regular').fontSize(9)
  const height = Math.max(
    doc.heightOfString(value === '' ? ' ' : value, options),
    doc.heightOfString(name, { width: nameWidth, lineGap: 2 }),
  )
  roomFor(doc, Math.min(height, 300))
  const top = doc.y
  doc.fillColor('#6B675F').text(name, MARGIN, top, { width: nameWidth, lineGap: 2 })
  doc.fillColor('#1C1B19').text(value, MARGIN + nameWidth + 10, top, options)
  if (doc.y < top + height) doc.y = top + height
  doc.y += 3
}

function roomFor(doc: PDFKit.PDFDocument, height: number): void {
  if (doc.y + height > doc.page.height - MARGIN) doc.addPage()
}
