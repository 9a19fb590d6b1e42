/** The report of the service level as a page for people, Chinese and English side by side, sealed by the platform. */
import { createRequire } from 'node:module'
import { drawCompanySeal, drawingContent, type Font, MM, prepareAppearance, signPdf } from '@yinxin/pades'
import PDFDocument from 'pdfkit'
import type { Ca } from '#src/ca/ca.ts'
import type { Timestamps } from '#src/timestamps/timestamps.ts'
import type { PublishedSlaReport } from './reports.ts'

export interface SlaReportPapers {
  published: PublishedSlaReport
  entry: Uint8Array
  sha256: string
  /** The `.tlog-proof` over `entry`. */
  proof: string
}

export interface SlaReportPdfDeps {
  ca: Pick<Ca, 'platformSigner' | 'isDevelopment'>
  timestamps: Pick<Timestamps, 'stamp'>
  font: () => Promise<Font>
}

const inks = { ink: '#1C1B19', muted: '#6B675F', line: '#E5E1D8', met: '#1F6F4A', missed: '#B3261E' }
const margin = 56
const sealMm = 34

const names = {
  frontend: '前端服务 frontend',
  backend: '后端服务 backend',
  upload: '上传服务 upload',
  signing: '签署服务 signing',
  certificate: '证书签发 certificate issuance',
}
const verdicts = {
  met: '满足承诺 · The promise is met',
  not_met: '未满足承诺 · The promise is not met',
  no_service_period: '不足一个自然月，不构成服务周期 · Not a whole month, no service period',
}

/** Draws and seals; the report and its proof of inclusion are attached to the file, which so proves itself. */
export async function slaReportPdf(
  papers: SlaReportPapers,
  at: Date,
  deps: SlaReportPdfDeps,
): Promise<Uint8Array> {
  const { pdf, sealAt } = await draw(papers)
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
    reason: `Service level report ${papers.published.month} r${papers.published.revision}`,
    name: 'Yinxin',
    certify: 1,
    placements: [{ ...sealAt, appearance: prepareAppearance(drawingContent(seal)) }],
  })
}

async function draw({ published, entry, sha256, proof }: SlaReportPapers) {
  const require = createRequire(import.meta.url)
  const { month, revision, createdAt, services, maintenance, incidents, verdict } = published
  const created = new Date(createdAt)
  const doc = new PDFDocument({
    size: 'A4',
    margins: { top: margin, bottom: margin, left: margin, right: margin },
    bufferPages: true,
    info: { Title: `服务可用性报告 ${month}`, Author: 'Yinxin', CreationDate: created, ModDate: created },
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
  const room = (height: number) => {
    if (doc.y + height > doc.page.height - margin) doc.addPage()
  }
  const rule = () => {
    const y = doc.y + 4
    doc
      .moveTo(margin, y)
      .lineTo(margin + width, y)
      .lineWidth(0.6)
      .strokeColor(inks.line)
      .stroke()
    doc.y += 12
  }
  const text = (words: string, size = 9.5, colour = inks.ink) => {
    room(size * 3)
    doc.font('regular').fontSize(size).fillColor(colour).text(words, margin, doc.y, { width, lineGap: 2 })
  }
  const heading = (words: string) => {
    room(100)
    doc.moveDown(0.6).font('bold').fontSize(11.5).fillColor(inks.ink).text(words, margin, doc.y, { width })
    rule()
  }

  // 1. What it is, and the answer.
  doc.font('bold').fontSize(20).fillColor(inks.ink).text(`服务可用性报告 ${month}`, { width })
  text(`Service level report ${month}, revision ${revision}`, 10, inks.muted)
  if (published.environment.developmentCa || published.environment.simulators.length > 0)
    text(
      '开发测试环境，印章与证书不具法律效力。 A development environment: seal and certificate have no legal effect.',
      8.5,
      inks.muted,
    )
  rule()
  doc
    .font('bold')
    .fontSize(16)
    .fillColor(verdict === 'met' ? inks.met : verdict === 'not_met' ? inks.missed : inks.muted)
    .text(verdicts[verdict], margin, doc.y, { width })
  text(
    '承诺：每项服务每自然月可用性 ≥ 99.95%，宕机 ≤ 21.6 分钟。 Promised: availability ≥ 99.95 % and downtime ≤ 21.6 minutes of each service in a calendar month.',
    9,
    inks.muted,
  )

  // 2. Every service.
  heading('各项服务 · Services')
  for (const one of services) {
    room(60)
    const share = one.availability === null ? '—' : `${(one.availability * 100).toFixed(4)} %`
    doc
      .font('bold')
      .fontSize(10)
      .fillColor(one.pass ? inks.met : inks.missed)
      .text(
        `${names[one.service]}  ${share}  ${one.pass ? '✓' : '✗'}`.replace(
          /[✓✗]/,
          one.pass ? '满足 met' : '不满足 not met',
        ),
        margin,
        doc.y,
        { width },
      )
    text(
      `宕机 down ${one.downMinutes} / ${one.allowedDownMinutes} min · 计划维护 maintenance ${one.maintenanceMinutes} min · 已知 known ${one.knownMinutes} / ${one.totalMinutes} min · 修订 revision ${one.revision}`,
      8.5,
      inks.muted,
    )
    for (const run of one.runs.slice(0, 20))
      text(`${run.from} – ${run.to}（${run.minutes} min）`, 8.5, inks.missed)
    if (one.runs.length > 20)
      text(
        `另有 ${one.runs.length - 20} 段，见附件 · ${one.runs.length - 20} more in the attachment`,
        8.5,
        inks.missed,
      )
    text(`SHA-256 minutes.csv ${one.minutesSha256}`, 7, inks.muted)
    doc.moveDown(0.3)
  }
  heading('故障 · Incidents')
  if (incidents.length === 0) text('没有公布的故障 · none published', 9, inks.muted)
  for (const one of incidents)
    text(
      `#${one.number} ${one.class === 'severe' ? '严重 severe' : '一般 general'} ${one.titleZh} · ${one.titleEn}（${one.beganAt.slice(0, 16)}Z – ${one.resolvedAt?.slice(0, 16).concat('Z') ?? '…'}）`,
      9,
    )
  heading('计划维护 · Planned maintenance')
  if (maintenance.length === 0) text('没有 · none', 9, inks.muted)
  for (const one of maintenance) text(`${one.from} – ${one.to} ${one.textZh} · ${one.textEn}`, 9)

  // 3. How to check it, beside the seal.
  const sealPt = sealMm * MM
  room(sealPt + 110)
  heading('核验 · How to check this report')
  const top = doc.y
  doc
    .font('regular')
    .fontSize(8.5)
    .fillColor(inks.muted)
    .text(
      `附件 sla-report.json 为报告原文，sla-report.tlog-proof 证明它已写入公开日志：yinxin sla verify FILE.pdf --log-key LOG.vkey
sla-report.json is the report itself; sla-report.tlog-proof proves that it stands in the public log.
由公布的分钟重算 · recomputed from the published minutes: yinxin sla compute minutes.csv --month ${month}
SHA-256 ${sha256.slice(0, 32)} ${sha256.slice(32)}
${createdAt}`,
      margin,
      top,
      { width: width - sealPt - 18, lineGap: 2.5 },
    )
  const pages = doc.bufferedPageRange()
  for (let page = 0; page < pages.count; page++) {
    doc.switchToPage(page)
    doc.page.margins.bottom = 0
    doc.font('regular').fontSize(8).fillColor(inks.muted)
    doc.text(`${page + 1} / ${pages.count}`, margin, doc.page.height - 36, { width, align: 'center' })
  }
  for (const [name, content, type] of [
    ['sla-report.json', Buffer.from(entry), 'application/json'],
    ['sla-report.tlog-proof', Buffer.from(proof, 'utf8'), 'text/plain'],
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
