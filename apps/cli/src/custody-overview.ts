/** The overview of custody as lines for a terminal. */
import { type CustodyOverview, findingDetail, type OperatorWord, operatorWord } from '@yinxin/server'
import { type Lang, pad } from './command.ts'

export function showOverview(overview: CustodyOverview, lang: Lang): string[] {
  const say = (word: OperatorWord, values?: Record<string, string | number>) =>
    operatorWord(word, lang, values)
  const time = (at: unknown) => (at === undefined || at === null ? '–' : `${String(at).slice(0, 16)}Z`)
  const seconds = (ms: number | null) =>
    ms === null ? '–' : say('seconds', { seconds: (ms / 1000).toFixed(1) })
  const { concerns, domains, findings, waiting, repairs, databases, backups, drills, media, reports } =
    overview
  const { counts, first } = overview.destructions
  const section = (title: OperatorWord, lines: string[], none: string = say('none')) => [
    '',
    say(title),
    ...(lines.length === 0 ? [`  ${none}`] : lines.map((line) => `  ${line}`)),
  ]
  return [
    ...(concerns.length === 0
      ? [`✓ ${say('well')}`]
      : [`✗ ${say('concerns')}`, ...concerns.map((one) => `  ! ${one[lang]}`)]),
    ...section(
      'domains',
      domains.map(({ name, state, unanswered, deviceId, freeBytes, scatterWidth, lastScrub }) => {
        const word = state === 'quarantined' ? 'quarantined' : unanswered ? 'silent' : 'ready'
        const free = freeBytes === undefined ? say('endless') : `${(freeBytes / 2 ** 30).toFixed(1)} GiB`
        const scrubbed =
          lastScrub === undefined
            ? say('scrubNever')
            : lastScrub.finishedAt === undefined
              ? say('scrubRunning', { count: lastScrub.checked })
              : time(lastScrub.finishedAt)
        const bad =
          lastScrub !== undefined && lastScrub.bad > 0
            ? ` (${say('scrubbedBad', { count: lastScrub.bad })})`
            : ''
        return `${pad(name, 12)} ${pad(say(word), 12)} ${say('device')} ${deviceId ?? '?'}, ${say('free')} ${free}, w = ${scatterWidth}, ${say('scrub')} ${scrubbed}${bad}`
      }),
    ),
    ...section('waiting', [
      `${say('repairsWaiting')} ${waiting.repairs} · ${say('removalsWaiting')} ${waiting.removals}`,
      `${say('repairsDone')} ${repairs.count} · p99 ${repairs.p99Hours === null ? '–' : say('hours', { hours: repairs.p99Hours.toFixed(2) })}`,
    ]),
    ...section(
      'findings',
      findings.map(
        (one) =>
          `[${say(`severity_${one.severity}`)}] ${say(`class_${one.class}`)} ${[one.subjectId, one.domain, findingDetail(one.detail, lang)].filter((part) => part !== '').join(' ')}`,
      ),
    ),
    ...section(
      'quarantines',
      overview.quarantines.map(
        ({ domain, since, reason, readmittedAt }) =>
          `${pad(domain, 12)} ${time(since)} – ${readmittedAt === null ? say('still') : time(readmittedAt)}  ${reason}`,
      ),
    ),
    ...section(
      'databases',
      databases.map(
        ({ name, site, state, role, lagBytes }) =>
          `${pad(name, 22)} ${pad(say(`site_${site}`), 14)} ${pad(say(`role_${role}`), 8)} ${pad(say(`state_${state}`), 12)} ${say('lag')} ${lagBytes ?? '?'} B`,
      ),
      say('databasesNone'),
    ),
    ...section(
      'backups',
      (backups ?? []).map((one) => {
        const last = one.backups.at(-1)
        const site = say(one.site === 'recovery' ? 'site_recovery' : 'site_primary')
        const holes = one.missing.length === 0 ? '' : `  ✗ ${say('holes')} ${one.missing.length}`
        return `${pad(say(`cluster_${one.cluster}`), 8)} ${pad(site, 14)} ${one.backups.length}  ${say('backupLast')} ${last === undefined ? '–' : time(last.endedAt)}  ${say('archivedAt')} ${time(one.archivedAt)}${holes}`
      }),
      say(backups === null ? 'backupsElsewhere' : 'backupsNone'),
    ),
    ...section(
      'drills',
      drills.map(
        (one) =>
          `${time(one.begunAt)} ${pad(say(`outcome_${one.outcome}`), 12)} RPO ${seconds(one.rpoMs)}  RTO ${seconds(one.rtoMs)}  ${one.objects.read}/${one.objects.asked} · ${one.packages.verified}/${one.packages.asked}${one.problems.length === 0 ? '' : `  ✗ ${one.problems.join('; ')}`}`,
      ),
      say('drillsNone'),
    ),
    ...section(
      'destructions',
      [
        ...counts.map(({ state, count }) => `${say(`destruction_${state}`)} ${count}`),
        ...first.map(
          (one) =>
            `${one.taskId} ${say(`extent_${one.extent}`)} · ${say(`destruction_${one.state}`)} · ${say('due')} ${time(one.dueAt)}${one.problem === null ? '' : `  ✗ ${one.problem}`}`,
        ),
      ],
      say('destructionsNone'),
    ),
    ...section(
      'media',
      media.map(
        (one) =>
          `${time(one.retiredAt)} ${one.device} ${one.serial}${one.domain === null ? '' : ` (${one.domain})`}  ${one.method}  ${one.doneBy} / ${one.witnessedBy}  ${one.proofName} ${one.proofSha256.slice(0, 16)}`,
      ),
      say('mediaNone'),
    ),
    ...section(
      'reports',
      reports.map(({ month, revision, verdict }) => `${month} r${revision} ${say(`verdict_${verdict}`)}`),
      say('reportsNone'),
    ),
  ]
}
