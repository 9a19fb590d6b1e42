import { createRequire } from 'node:module'
import PDFDocument from 'pdfkit'

/** The places where the sample's parties sign; tests and the demo find them by keyword. */
export const sampleKeywords = { corp: '甲方（盖章）', person: '乙方（签字）' } as const

export interface SampleParties {
  corpName: string
  personName: string
  /** Printed in the head of the contract, e.g. `YX-2026-0001`. */
  number: string
  date: string
}

const inks = { ink: '#1C1B19', muted: '#6B675F', line: '#E5E1D8' }

/** The text of a real, short service agreement: a newcomer signs something that reads like a contract. */
function clauses({ corpName, personName }: SampleParties): [string, string[]][] {
  return [
    [
      '一、服务内容',
      [
        `${corpName}（下称“甲方”）委托${personName}（下称“乙方”）为其电子合同平台提供界面设计与验收测试服务，乙方应于本合同生效之日起三十日内完成。`,
        '具体成果包括：签署页面设计稿一套、企业控制台设计稿一套、验收测试报告一份。',
      ],
    ],
    [
      '二、费用与支付',
      [
        '服务费总额为人民币 12,000.00 元（大写：壹万贰仟元整），含税。',
        '甲方于本合同生效后五个工作日内支付百分之四十，验收合格后十个工作日内支付其余款项。',
      ],
    ],
    [
      '三、成果归属与保密',
      [
        '乙方交付的成果，其著作权自甲方付清全部费用之日起归甲方所有。',
        '双方对履行本合同中知悉的对方商业秘密负有保密义务，该义务不因本合同终止而终止，保密期限为三年。',
      ],
    ],
    [
      '四、违约责任',
      [
        '任何一方逾期履行的，每逾期一日按逾期部分金额的万分之五支付违约金；逾期超过三十日的，守约方有权解除合同。',
      ],
    ],
    [
      '五、电子签名',
      [
        '双方确认采用可靠的电子签名订立本合同。依据《中华人民共和国电子签名法》第十四条，可靠的电子签名与手写签名或者盖章具有同等的法律效力。',
        '本合同自双方均完成电子签名之时生效。任何一方均可凭证据包在不依赖平台的情况下验证本合同未被改动。',
      ],
    ],
    [
      '六、争议解决',
      ['因本合同发生的争议，双方应先行协商；协商不成的，提交甲方住所地有管辖权的人民法院解决。'],
    ],
  ]
}

/**
 * Draws the sample contract that the demo signs: two A4 pages, Chinese text in an embedded subset,
 * signature places marked by the keywords of {@link sampleKeywords}. Deterministic for equal input.
 */
export async function drawSampleContract(parties: SampleParties): Promise<Buffer> {
  const require = createRequire(import.meta.url)
  const regular = require.resolve('@expo-google-fonts/noto-serif-sc/400Regular/NotoSerifSC_400Regular.ttf')
  const bold = require.resolve('@expo-google-fonts/noto-serif-sc/600SemiBold/NotoSerifSC_600SemiBold.ttf')
  const doc = new PDFDocument({
    size: 'A4',
    margins: { top: 72, bottom: 72, left: 72, right: 72 },
    bufferPages: true,
    info: {
      Title: '技术服务合同',
      Author: parties.corpName,
      CreationDate: new Date(0),
      ModDate: new Date(0),
    },
  })
  const chunks: Buffer[] = []
  doc.on('data', (chunk: Buffer) => chunks.push(chunk))
  const done = new Promise<void>((resolve, reject) => doc.on('end', resolve).on('error', reject))

  doc.registerFont('regular', regular).registerFont('bold', bold)
  const width = doc.page.width - 144
  doc
    .font('regular')
    .fontSize(9)
    .fillColor(inks.muted)
    .text(`合同编号：${parties.number}`, { align: 'right' })
  doc
    .moveDown(1.6)
    .font('bold')
    .fontSize(22)
    .fillColor(inks.ink)
    .text('技术服务合同', { align: 'center', characterSpacing: 6 })
  doc.moveDown(1.4).font('regular').fontSize(11)
  doc.text(`甲方（委托方）：${parties.corpName}`, { lineGap: 6 })
  doc.text(`乙方（服务方）：${parties.personName}`, { lineGap: 6 })
  doc.text(`签订日期：${parties.date}`, { lineGap: 6 })
  const ruleY = doc.y + 8
  doc
    .moveTo(72, ruleY)
    .lineTo(72 + width, ruleY)
    .lineWidth(0.7)
    .strokeColor(inks.line)
    .stroke()
  doc.y = ruleY + 14

  for (const [heading, paragraphs] of clauses(parties)) {
    doc.font('bold').fontSize(12).text(heading, { lineGap: 4 })
    doc.moveDown(0.25).font('regular').fontSize(11)
    for (const paragraph of paragraphs)
      doc.text(paragraph, { indent: 22, lineGap: 5, align: 'left' }).moveDown(0.35)
    doc.moveDown(0.5)
  }

  // Both signature places stand side by side and never break across pages.
  if (doc.y > doc.page.height - 300) doc.addPage()
  doc
    .moveDown(1)
    .font('regular')
    .fontSize(10)
    .fillColor(inks.muted)
    .text('（以下为签署页）', { align: 'center' })
  const top = doc.y + 30
  doc.fillColor(inks.ink).fontSize(11)
  doc
    .text(`${sampleKeywords.corp}：`, 72, top)
    .text(parties.corpName, 72, top + 22, { width: width / 2 - 20 })
  doc
    .text(`${sampleKeywords.person}：`, 72 + width / 2 + 20, top)
    .text(parties.personName, 72 + width / 2 + 20, top + 22)

  const pages = doc.bufferedPageRange()
  for (let page = 0; page < pages.count; page++) {
    doc.switchToPage(page)
    // The footer lies below the margin, where a plain text call would start a new page.
    doc.page.margins.bottom = 0
    doc.font('regular').fontSize(9).fillColor(inks.muted)
    doc.text(`第 ${page + 1} 页 / 共 ${pages.count} 页`, 72, doc.page.height - 48, { width, align: 'center' })
  }
  doc.end()
  await done
  return Buffer.concat(chunks)
}
