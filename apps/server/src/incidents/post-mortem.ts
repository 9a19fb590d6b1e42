/** The post-mortem of an incident, from its record: nothing in it is typed twice. */
import type { IncidentStory } from './incidents.ts'
import type { NoteKind } from './tables.ts'

const className = { general: ['一般', 'general'], severe: ['严重', 'severe'] } as const
const reasonName = {
  service_bad: ['服务连续 2 分钟以上不可用', 'a service was bad for two minutes or more'],
  tenants_affected: ['受影响客户不少于 3 家且不少于 5%', 'at least three tenants and 5 % were affected'],
  integrity_touched: ['涉及数据、密钥、日志或安全', 'data, keys, the log or security were touched'],
  signing_failing: ['签署或发证成功率低于 99%', 'signing or certificates below 99 %'],
} as const

export function writePostMortem(
  { incident, notes, alerts, tenants }: IncidentStory,
  lang: 'zh' | 'en',
  baseUrl: string,
): string {
  const zh = lang === 'zh'
  const say = (pair: readonly [string, string]) => pair[zh ? 0 : 1]
  const time = (at: Date | null) => (at === null ? (zh ? '未' : 'not yet') : at.toISOString())
  const seconds = (value: number | null) => (value === null ? '–' : `${value} s`)
  const of = (kind: NoteKind) =>
    notes
      .filter((note) => note.kind === kind)
      .map((note) => `- ${oneLine(zh ? note.text_zh : note.text_en)}（${oneLine(note.by)}）`)
  const open = [zh ? '- 待填写' : '- to be written']
  const listed = (kind: NoteKind) => (of(kind).length > 0 ? of(kind) : open)
  const rules = [...new Set(alerts.map(({ rule }) => rule))]
  const byService = Map.groupBy(tenants, ({ service }) => service)
  const sum = (rows: typeof tenants, of: 'failed' | 'valid') =>
    rows.reduce((total, row) => total + row[of], 0)
  return [
    `# ${zh ? '故障复盘' : 'Post-mortem'} #${incident.number}: ${oneLine(zh ? incident.title_zh : incident.title_en)}`,
    '',
    `| ${zh ? '项目' : 'what'} | ${zh ? '值' : 'value'} |`,
    '|---|---|',
    `| ${zh ? '等级' : 'class'} | ${say(className[incident.class])}${incident.class_by === null ? '' : ` (${oneLine(incident.class_by)})`} |`,
    `| ${zh ? '定级依据' : 'reasons'} | ${incident.class_reasons.map((reason) => say(reasonName[reason])).join('; ') || '–'} |`,
    `| ${zh ? '服务' : 'services'} | ${incident.services.join(', ') || '–'} |`,
    `| ${zh ? '开始' : 'began'} | ${time(incident.began_at)} |`,
    `| ${zh ? '发现（MTTD）' : 'detected (MTTD)'} | ${time(incident.detected_at)}, ${seconds(incident.times.detectS)} |`,
    `| ${zh ? '认领（MTTA）' : 'acknowledged (MTTA)'} | ${time(incident.acknowledged_at)}, ${seconds(incident.times.acknowledgeS)} |`,
    `| ${zh ? '恢复（MTTR）' : 'resolved (MTTR)'} | ${time(incident.resolved_at)}, ${seconds(incident.times.resolveS)} |`,
    `| ${zh ? '连续不可用分钟' : 'bad minutes in a row'} | ${incident.bad_minutes} |`,
    `| ${zh ? '受影响客户' : 'tenants affected'} | ${incident.affected_tenants} / ${incident.active_tenants} |`,
    '',
    `## ${zh ? '影响' : 'Impact'}`,
    '',
    ...(byService.size === 0 ? [zh ? '没有失败的请求。' : 'No request failed.'] : []),
    ...[...byService].map(
      ([service, rows]) =>
        `- ${service}: ${sum(rows, 'failed')} / ${sum(rows, 'valid')} ${zh ? '次请求失败' : 'requests failed'}`,
    ),
    '',
    `## ${zh ? '时间线' : 'Timeline'}`,
    '',
    ...notes
      .filter(({ kind }) => !['cause', 'action', 'lesson'].includes(kind))
      .map(
        (note) =>
          `- ${note.at.toISOString()} ${note.kind}: ${oneLine(zh ? note.text_zh : note.text_en)} (${oneLine(note.by)})`,
      ),
    '',
    `## ${zh ? '原因' : 'Cause'}`,
    '',
    ...listed('cause'),
    '',
    `## ${zh ? '改进措施' : 'Actions'}`,
    '',
    ...listed('action'),
    '',
    `## ${zh ? '经验' : 'Lessons'}`,
    '',
    ...listed('lesson'),
    '',
    ...(rules.length === 0 ? [] : [`## ${zh ? '处置手册' : 'Runbooks'}`, '']),
    ...rules.map((rule) => `- [${rule}](${baseUrl}/api/v1/runbooks/${rule})`),
    '',
  ].join('\n')
}

const oneLine = (text: string) => text.replace(/\s+/g, ' ').replace(/\|/g, '\\|')
