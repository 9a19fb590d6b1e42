/** The overview of custody as one document: no script, nothing from elsewhere, read on any screen. */
import { promised, staleAfterMs } from './drift.ts'
import { operatorStyle } from './operator-style.ts'
import { findingDetail, operatorWord, type OperatorWord } from './operator-words.ts'
import type { CustodyOverview } from './overview.ts'

type Lang = 'zh' | 'en'
type Say = (word: OperatorWord, values?: Record<string, string | number>) => string
type Tone = 'good' | 'bad' | 'wait' | 'void' | ''

/** `live` when the address can be asked again; a saved page says that it is one. */
export function operatorPage(overview: CustodyOverview, lang: Lang, live: boolean): string {
  const say: Say = (word, values) => escaped(operatorWord(word, lang, values))
  const { concerns, at } = overview
  const languages = live
    ? `<nav>${lang === 'zh' ? '<strong>中文</strong>' : '<a href="?lang=zh" lang="zh">中文</a>'}
       ${lang === 'en' ? '<strong>English</strong>' : '<a href="?lang=en" lang="en">English</a>'}</nav>`
    : ''
  return `<!doctype html>
<html lang="${lang === 'zh' ? 'zh-CN' : 'en'}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${live ? '<meta http-equiv="refresh" content="60">' : ''}
<title>${say('title')} · 印信</title>
<style>${operatorStyle}</style>
</head>
<body>
<header><h1>${say('title')}<small>印信 Yinxin</small></h1>${languages}</header>
<p class="muted">${time(at)} · ${say(live ? 'live' : 'saved')}</p>
${
  concerns.length === 0
    ? `<section class="verdict good"><p>✓ ${say('well')}</p></section>`
    : `<section class="verdict bad"><p>! ${say('concerns')}</p><ul>${concerns.map((one) => `<li>${escaped(one[lang])}</li>`).join('')}</ul></section>`
}
${[domains, waiting, findings, quarantines, databases, backups, drills, destructions, media, reports]
  .map((section) => section(overview, say, lang))
  .join('\n')}
</body>
</html>
`
}

type Section = (overview: CustodyOverview, say: Say, lang: Lang) => string

const domains: Section = ({ domains: all, at }, say) => {
  const site = (name: 'primary' | 'recovery') => {
    const here = all.filter((one) => one.site === name)
    const cards = here.map((one) => {
      const { lastScrub, unanswered } = one
      const limitMs = staleAfterMs(lastScrub?.seen?.periodMs ?? promised.verifiedWithinMs.small)
      const isStale = lastScrub !== undefined && at.getTime() - lastScrub.startedAt.getTime() > limitMs
      const [tone, word]: [Tone, OperatorWord] =
        one.state === 'quarantined'
          ? ['bad', 'quarantined']
          : unanswered !== undefined
            ? ['bad', 'silent']
            : isStale
              ? ['void', 'stale']
              : ['good', 'ready']
      const scrubbed =
        lastScrub === undefined
          ? say('scrubNever')
          : lastScrub.finishedAt === undefined
            ? say('scrubRunning', { count: lastScrub.checked })
            : [
                time(lastScrub.finishedAt),
                say('scrubbed', { count: lastScrub.checked }),
                ...(lastScrub.bad > 0 ? [say('scrubbedBad', { count: lastScrub.bad })] : []),
              ].join(' · ')
      const trouble = one.reason ?? unanswered?.reason
      return `<li class="place ${tone}"><p class="row"><strong class="mono">${escaped(one.name)}</strong>${badge(tone, say(word))}</p>
<dl>
<div><dt>${say('device')}</dt><dd class="mono">${escaped(one.deviceId ?? '?')}</dd></div>
<div><dt>${say('free')}</dt><dd>${one.freeBytes === undefined ? say('endless') : size(one.freeBytes)}</dd></div>
<div><dt>${say('width')}</dt><dd>${one.scatterWidth}</dd></div>
<div><dt>${say('scrub')}</dt><dd>${scrubbed}</dd></div>
</dl>${trouble === undefined ? '' : `<p class="trouble">${unanswered === undefined ? '' : `${say('since')} ${time(unanswered.since)} · `}${escaped(trouble)}</p>`}</li>`
    })
    const devices = new Set(here.map((one) => one.deviceId ?? '?')).size
    return `<div class="site"><h3>${say(`site_${name}`)}<small>${say('siteDevices', { count: devices })}</small></h3><ul>${cards.join('')}</ul></div>`
  }
  return titled(say('domains'), `<div class="sites">${site('primary')}${site('recovery')}</div>`)
}

const waiting: Section = ({ waiting: queue, repairs }, say) => {
  const hours = (value: number | null) =>
    value === null ? '–' : say('hours', { hours: Number(value.toPrecision(3)) })
  const figures: [string, string | number][] = [
    [say('repairsWaiting'), queue.repairs],
    [say('removalsWaiting'), queue.removals],
    [say('repairsDone'), repairs.count],
    [say('repairTime'), `${hours(repairs.p99Hours)} / ${hours(repairs.maxHours)}`],
  ]
  return titled(
    say('waiting'),
    `<dl class="figures">${figures.map(([label, value]) => `<div><dt>${label}</dt><dd>${value}</dd></div>`).join('')}</dl>`,
  )
}

const findings: Section = ({ findings: all }, say, lang) =>
  titled(
    say('findings'),
    table(
      [say('severity'), say('finding'), say('subject'), say('detail')],
      all.map((one) => [
        badge(one.severity === 'warning' ? 'wait' : 'bad', say(`severity_${one.severity}`)),
        say(`class_${one.class}`),
        mono(`${one.subjectId} ${one.domain}`.trim()),
        escaped(findingDetail(one.detail, lang)),
      ]),
      say('none'),
    ),
  )

const quarantines: Section = ({ quarantines: all }, say) =>
  all.length === 0
    ? ''
    : titled(
        say('quarantines'),
        table(
          [say('domains'), say('since'), say('readmitted'), say('reason')],
          all.map((one) => [
            mono(one.domain),
            time(one.since),
            one.readmittedAt === null ? badge('bad', say('still')) : time(one.readmittedAt),
            escaped(one.reason),
          ]),
          '',
        ),
      )

const databases: Section = ({ databases: all }, say) =>
  titled(
    say('databases'),
    table(
      [say('name'), say('site'), say('role'), say('state'), say('lag'), say('device')],
      all.map((one) => [
        `${say(`cluster_${one.cluster}`)} ${mono(one.name)}`,
        say(`site_${one.site}`),
        say(`role_${one.role}`),
        badge(databaseTone(one.state), say(`state_${one.state}`)),
        one.lagBytes === null ? '–' : size(one.lagBytes),
        mono(one.deviceId ?? '?'),
      ]),
      say('databasesNone'),
    ),
  )

const backups: Section = ({ backups: all }, say) =>
  titled(
    say('backups'),
    all === null
      ? `<p class="muted">${say('backupsElsewhere')}</p>`
      : table(
          [say('name'), say('site'), say('backupCount'), say('backupLast'), say('archivedAt'), say('holes')],
          all.map((one) => [
            say(`cluster_${one.cluster}`),
            say(one.site === 'recovery' ? 'site_recovery' : 'site_primary'),
            String(one.backups.length),
            one.backups.length === 0
              ? say('backupsNone')
              : `${time(one.backups.at(-1)?.endedAt)} · ${size(one.backups.at(-1)?.archiveBytes ?? 0)}`,
            time(one.archivedAt),
            one.missing.length === 0 ? say('none') : badge('bad', String(one.missing.length)),
          ]),
          say('backupsNone'),
        ),
  )

const drills: Section = ({ drills: all }, say) => {
  const seconds = (ms: number | null) =>
    ms === null ? '–' : say('seconds', { seconds: (ms / 1000).toFixed(1) })
  return titled(
    say('drills'),
    table(
      [say('drillAt'), say('outcome'), say('rpo'), say('rto'), say('sample'), say('problems')],
      all.map((one) => [
        time(one.begunAt),
        badge(
          one.outcome === 'ok' ? 'good' : one.outcome === 'failed' ? 'bad' : 'wait',
          say(`outcome_${one.outcome}`),
        ),
        seconds(one.rpoMs),
        seconds(one.rtoMs),
        `${one.objects.read}/${one.objects.asked} · ${one.packages.verified}/${one.packages.asked}`,
        one.problems.length === 0 ? say('none') : one.problems.map(escaped).join('<br>'),
      ]),
      say('drillsNone'),
    ),
  )
}

const destructions: Section = ({ destructions: { counts, first } }, say) => {
  const sums = counts.map(({ state, count }) => `${say(`destruction_${state}`)} ${count}`).join(' · ')
  return titled(
    say('destructions'),
    `${sums === '' ? '' : `<p>${sums}</p>`}${table(
      [say('contract'), say('extent'), say('state'), say('due'), say('attempts'), say('problems')],
      first.map((one) => [
        mono(one.taskId),
        say(`extent_${one.extent}`),
        badge(one.problem === null ? 'wait' : 'bad', say(`destruction_${one.state}`)),
        time(one.dueAt),
        String(one.attempts),
        one.problem === null ? say('none') : escaped(one.problem),
      ]),
      say('destructionsNone'),
    )}`,
  )
}

const media: Section = ({ media: all }, say) =>
  titled(
    say('media'),
    table(
      [
        say('medium'),
        say('serial'),
        say('carried'),
        say('method'),
        say('retiredAt'),
        say('people'),
        say('proof'),
      ],
      all.map((one) => [
        escaped(one.device),
        mono(one.serial),
        one.domain === null ? '–' : mono(one.domain),
        `${mono(one.method)}<br><span class="muted">${escaped(one.standard)}</span>`,
        time(one.retiredAt),
        escaped(`${one.doneBy} / ${one.witnessedBy}`),
        `${escaped(one.proofName)}<br>${mono(`${one.proofSha256.slice(0, 16)}…`)}`,
      ]),
      say('mediaNone'),
    ),
  )

const reports: Section = ({ reports: all }, say) =>
  titled(
    say('reports'),
    table(
      [say('month'), say('revision'), say('verdict'), say('at')],
      all.map((one) => [
        escaped(one.month),
        String(one.revision),
        badge(one.verdict === 'met' ? 'good' : 'bad', say(`verdict_${one.verdict}`)),
        time(one.createdAt),
      ]),
      say('reportsNone'),
    ),
  )

const databaseTone = (state: string): Tone =>
  state === 'running' || state === 'streaming'
    ? 'good'
    : state === 'catching-up' || state === 'making'
      ? 'wait'
      : state === 'unknown'
        ? 'void'
        : 'bad'

const titled = (title: string, body: string) => `<section><h2>${title}</h2>${body}</section>`

/** Cells are markup already. On a phone each row becomes a card, whose lines say what they are. */
function table(heads: readonly string[], rows: readonly (readonly string[])[], none: string): string {
  if (rows.length === 0) return `<p class="muted">${none}</p>`
  const cells = (row: readonly string[]) =>
    row.map((cell, index) => `<td data-label="${heads[index] ?? ''}"><span>${cell}</span></td>`).join('')
  return `<table><thead><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr></thead>
<tbody>${rows.map((row) => `<tr>${cells(row)}</tr>`).join('\n')}</tbody></table>`
}

const marks: Record<Tone, string> = { good: '✓', bad: '!', wait: '…', void: '–', '': '' }
const badge = (tone: Tone, text: string) => `<span class="badge ${tone}">${marks[tone]} ${text}</span>`
const mono = (text: string) => `<span class="mono">${escaped(text)}</span>`

/** As everywhere: in the time of China, which is said. */
function time(at: Date | string | null | undefined): string {
  if (at === null || at === undefined) return '–'
  const inChina = new Date(new Date(at).getTime() + 8 * 3_600_000).toISOString()
  return `<time datetime="${new Date(at).toISOString()}">${inChina.slice(0, 16).replace('T', ' ')} (UTC+8)</time>`
}

function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  return `${Number((bytes / 2 ** (10 * power)).toPrecision(3))} ${units[power]}`
}

const escapes: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => escapes[character] ?? '')
