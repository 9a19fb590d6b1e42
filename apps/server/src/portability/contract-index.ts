import { documentPath } from '@yinxin/evidence'
import type { ExportedContract } from './snapshot.ts'

const HEADINGS = {
  zh: ['合同编号', '标题', '状态', '发起方', '签署方', '创建时间', '完成时间', '文件'],
  en: ['contract', 'title', 'state', 'initiator', 'signers', 'created', 'finished', 'files'],
}

const STATES: Record<string, string> = {
  draft: '草稿',
  signing: '签署中',
  finished: '已完成',
  rejected: '已拒签',
  canceled: '已撤销',
  expired: '已过期',
}

/** The mark tells spreadsheets that Chinese is to come. */
export function csvHeader(lang: 'zh' | 'en'): string {
  return `\ufeff${csvRow(HEADINGS[lang])}`
}

/** One contract of the index, with the places of its documents in the export. */
export function csvLine(lang: 'zh' | 'en', contract: ExportedContract): string {
  const { id, title, status, initiatorName, actors, createdAt, finishedAt, documents, startedAt } = contract
  const signers = actors.filter((actor) => actor.role === 'sign').map((actor) => actor.name)
  const ordered = [...documents].sort((a, b) => a.position - b.position)
  const paths = ordered.map((one, index) => `contracts/${id}/${documentPath(index, one.name)}`)
  return csvRow([
    id,
    title,
    lang === 'zh' ? (STATES[status] ?? status) : status,
    initiatorName,
    signers.join(lang === 'zh' ? '、' : '; '),
    createdAt,
    finishedAt ?? '',
    startedAt === null ? '' : paths.join(' '),
  ])
}

/** RFC 4180. A cell that a spreadsheet would take for a formula is kept from it by an apostrophe. */
export function csvRow(cells: readonly string[]): string {
  const quoted = cells.map((cell) => {
    const plain = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell
    return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain
  })
  return `${quoted.join(',')}\r\n`
}
