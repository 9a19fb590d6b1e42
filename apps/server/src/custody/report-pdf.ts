/** The durability report as a page for people, Chinese and English side by side, sealed by the platform. */
import { createRequire } from 'node:module'
import { drawCompanySeal, drawingContent, type Font, MM, prepareAppearance, signPdf } from '@yinxin/pades'
import PDFDocument from 'pdfkit'
import type { Ca } from '#src/ca/ca.ts'
import type { Timestamps } from '#src/timestamps/timestamps.ts'
import type { PublishedReport } from './reports.ts'
import { factRows, figureRows, loss } from './report-words.ts'

export interface ReportPdfDeps {
  ca: Pick<Ca, 'platformSigner' | 'isDevelopment'>
  timestamps: Pick<Timestamps, 'stamp'>
  font: () => Promise<Font>
}

const inks = { ink: '#1C1B19', muted: '#6B675F', line: '#E5E1D8', met: '#1F6F4A', missed: '#B3261E' }
const margin = 56
const sealMm = 34

export interface ReportPapers {
  published: PublishedReport
  entry: Uint8Array
  sha256: string
  /** The `.tlog-proof` over `entry`. */
  proof: string
}

/** Draws and signs; the report and its proof of inclusion are attached to the file, which so proves itself. */
export async function reportPdf(papers: ReportPapers, at: Date, deps: ReportPdfDeps): Promise<Uint8Array> {
  const { pdf, sealAt } = await draw(papers, deps.ca.isDevelopment)
  const { signer, certificateDer, chain } = deps.ca.platformSigner()
  const seal = drawCompanySeal({
    font: await deps.font(),
    name: '印信电子合同平台',
    centerText: deps.ca.isDevelopment ? '开发测试' : '报告专用章',
    diameterMm: sealMm,
  })
  return await signPdf(pdf, {
    signer,
    certificates: [certificateDer, ...chain],
    timestamp: async (digest) => (await deps.timestamps.stamp(digest)).token,
    signingTime: at,
    reason: `Durability report ${papers.published.month} r${papers.published.revision}`,
    name: 'Yinxin',
    certify: 1,
    placements: [{ ...sealAt, appearance: prepareAppearance(drawingContent(seal)) }],
  })
}

async function draw({ published, entry, sha256, proof }: ReportPapers, isDevelopment: boolean) {
  const require = createRequire(import.meta.url)
  const { report, month, revision, createdAt } = published
  const doc = new PDFDocument({
    size: 'A4',
    margins: { top: margin, bottom: margin, left: margin, right: margin },
    bufferPages: true,
    info: {
      Title: `持久性报告 ${month}`,
      Author: 'Yinxin',
      CreationDate: new Date(createdAt),
      ModDate: new Date(createdAt),
    },
  })
  const chunks: Buffer[] = []
  doc.on('data', (chunk: Buffer) => chunks.push(chunk))
  const done = new Promise<void>((resolve, reject) => doc.on('end', resolve).on('error', reject))
  doc.registerFont(
    'regular',
    require.resolve('@expo-google-fonts/noto-serif-sc/400Regular/NotoSerifSC_400Regular.ttf'),
  )
  doc.registerFont(
    'bold',
    require.resolve('@expo-google-fonts/noto-serif-sc/600SemiBold/NotoSerifSC_600SemiBold.ttf'),
  )
  const width = doc.page.width - 2 * margin
  const rule = () => {
    doc
      .moveTo(margin, doc.y + 4)
      .lineTo(margin + width, doc.y + 4)
      .lineWidth(0.6)
      .strokeColor(inks.line)
      .stroke()
    doc.y += 12
  }
  const small = (text: string) =>
    doc.font('regular').fontSize(8.5).fillColor(inks.muted).text(text, margin, doc.y, { width, lineGap: 2.5 })
  const heading = (text: string) => {
    if (doc.y > doc.page.height - 150) doc.addPage()
    doc.moveDown(0.6).font('bold').fontSize(11.5).fillColor(inks.ink).text(text, margin, doc.y, { width })
    rule()
  }
  const rows = (table: readonly (readonly [string, string])[]) => {
    for (const [label, value] of table) {
      const height = Math.max(
        doc
          .font('regular')
          .fontSize(9)
          .heightOfString(label, { width: width * 0.64 }),
        doc.heightOfString(value, { width: width * 0.34 }),
      )
      if (doc.y + height > doc.page.height - margin) doc.addPage()
      const top = doc.y
      doc.fillColor(inks.muted).text(label, margin, top, { width: width * 0.64 })
      doc.fillColor(inks.ink).text(value, margin + width * 0.66, top, { width: width * 0.34, align: 'right' })
      doc.y = top + height + 4
    }
  }

  // 1. What it is, and the answer.
  doc.font('bold').fontSize(20).fillColor(inks.ink).text(`持久性报告 ${month}`, { width })
  doc
    .font('regular')
    .fontSize(10)
    .fillColor(inks.muted)
    .text(`Durability report ${month}, revision ${revision}`)
  if (isDevelopment || published.environment.simulators.length > 0)
    small(
      '开发测试环境，印章与证书不具法律效力。 A development environment: seal and certificate have no legal effect.',
    )
  rule()
  const isMet = report.verdict === 'met'
  doc
    .font('bold')
    .fontSize(16)
    .fillColor(isMet ? inks.met : inks.missed)
    .text(isMet ? '满足承诺 · The promise is met' : '此处不满足 · The promise is not met here', { width })
  doc.moveDown(0.3).font('regular').fontSize(10).fillColor(inks.ink)
  doc.text(
    `每月丢失概率（模型）· modelled loss per month: ${loss(report.figures.model)}` +
      (report.figures.nines === null ? '' : ` (${report.figures.nines.toFixed(2)} nines)`),
    { width },
  )
  rows([
    ['设计线 · design line, 1e-11 / 月 month（11 个 9）', report.design.met ? '满足 met' : '不满足 not met'],
    [
      '合同线 · contract line, 1e-10 / 月 month（10000000000 份合同 1 份）',
      report.contract.met ? '满足 met' : '不满足 not met',
    ],
  ])
  if (!report.measurements.wholeMonth)
    small(
      '本月不足一个完整自然月，不构成一个服务周期。 Not a whole calendar month, therefore no service period.',
    )
  if (report.reasons.length > 0) {
    heading('原因与办法 · Why, and what would meet it')
    for (const [index, { zh, en }] of report.reasons.entries()) {
      if (doc.y > doc.page.height - 110) doc.addPage()
      doc
        .font('regular')
        .fontSize(9.5)
        .fillColor(inks.ink)
        .text(`${index + 1}. ${zh}`, margin, doc.y, { width, lineGap: 2 })
      small(en)
      doc.moveDown(0.4)
    }
  }

  // 2. The figures and what they rest on.
  heading('数值 · Figures')
  rows(figureRows(report))
  heading('依据 · What they rest on')
  rows(factRows(report))

  // 3. How to check it, beside the seal.
  const sealPt = sealMm * MM
  if (doc.y > doc.page.height - margin - sealPt - 60) doc.addPage()
  heading('核验 · How to check this report')
  const top = doc.y
  const beside = width - sealPt - 18
  doc.font('regular').fontSize(8.5).fillColor(inks.muted)
  doc.text(
    `附件 durability-report.json 为报告原文，durability-report.tlog-proof 证明它已写入公开日志。
The attachment durability-report.json is the report itself; durability-report.tlog-proof proves that it stands in the public log.
SHA-256 ${sha256.slice(0, 32)} ${sha256.slice(32)}
u = ${report.figures.u.toExponential(4)}, u′ = ${report.figures.uPrime.toExponential(4)}: yinxin durability --u … --uprime … --w … --n …
${createdAt}`,
    margin,
    top,
    { width: beside, lineGap: 2.5 },
  )
  const pages = doc.bufferedPageRange()
  for (let page = 0; page < pages.count; page++) {
    doc.switchToPage(page)
    doc.page.margins.bottom = 0
    doc.font('regular').fontSize(8).fillColor(inks.muted)
    doc.text(`${page + 1} / ${pages.count}`, margin, doc.page.height - 36, { width, align: 'center' })
  }
  const created = new Date(createdAt)
  for (const [name, content, type] of [
    ['durability-report.json', Buffer.from(entry), 'application/json'],
    ['durability-report.tlog-proof', Buffer.from(proof, 'utf8'), 'text/plain'],
  ] as const)
    doc.file(content, { name, type, creationDate: created, modifiedDate: created })
  doc.end()
  await done
  return {
    pdf: Buffer.concat(chunks),
    sealAt: {
      page: pages.count - 1,
      rect: { x: margin + width - sealPt, y: top, width: sealPt, height: sealPt },
    },
  }
}
