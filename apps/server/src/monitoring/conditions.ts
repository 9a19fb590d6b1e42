/** From what was measured to what is wrong: pure, so that every rule has its test. */
import {
  allowedDownMinutes,
  badStretch,
  belowNinetyNine,
  burning,
  minuteText,
  type Shift,
  type SlaService,
  slaServices,
  unseen,
  type WatchedMinute,
} from '@yinxin/sla'
import type { Gathered, MeasureName, Measures } from './measures.ts'
import type { Condition, RuleName } from './rules.ts'

export interface Look {
  now: Date
  /** Three days of minutes of each service, in order; the last is the one that ended. */
  minutes: ReadonlyMap<SlaService, readonly WatchedMinute[]>
  /** Whether somebody is expected to see every minute. */
  probed: boolean
  /** Of this month so far; null where it could not be read. */
  downMinutes: ReadonlyMap<SlaService, number> | null
  gathered: Gathered
  channels: readonly { name: string; failingSince: Date | null; problem: string | null }[]
  /** Nobody is on call then; null when this installation has no roster yet and needs none. */
  rosterGaps: readonly Shift[] | null
}

export interface Verdict {
  conditions: Condition[]
  /** What could not be judged this time: open alerts of it stay as they are. */
  blind: Set<RuleName>
}

const serviceNames: Record<SlaService, [zh: string, en: string]> = {
  frontend: ['前端服务', 'frontend'],
  backend: ['后端服务', 'backend'],
  upload: ['上传服务', 'upload'],
  signing: ['签署服务', 'signing'],
  certificate: ['证书签发', 'certificate issuance'],
}

const dayMs = 86_400_000
const diskLowBytes = 2 * 1024 ** 3
const queueLateS = 300

/** Which rules a measure is needed for. */
const needs: Partial<Record<RuleName, MeasureName>> = {
  'database-copy': 'databaseCopies',
  'backup-old': 'backups',
  'storage-readonly': 'storage',
  'storage-quarantine': 'storage',
  'storage-repairs': 'storage',
  'disk-full': 'storage',
  'certificate-expiring': 'certificates',
  'queue-stuck': 'queue',
  'jobs-given-up': 'queue',
  'pool-exhausted': 'pools',
}

export function judge(look: Look): Verdict {
  const failed = new Set(look.gathered.failed.map(({ name }) => name))
  const blind = new Set(
    (Object.entries(needs) as [RuleName, MeasureName][]).flatMap(([rule, name]) =>
      failed.has(name) ? rule : [],
    ),
  )
  if (look.downMinutes === null) blind.add('budget-half')
  const conditions: Condition[] = []
  const add = (rule: RuleName, about: Partial<Condition> & Pick<Condition, 'zh' | 'en'>) =>
    conditions.push({ rule, service: null, subject: null, ...about })
  judgeMinutes(look, add)
  judgeMeasures(look, add)
  judgeTelling(look, add)
  return { conditions, blind }
}

type Add = (rule: RuleName, about: Partial<Condition> & Pick<Condition, 'zh' | 'en'>) => void

function judgeMinutes(look: Look, add: Add): void {
  const nowMinute = Math.floor(look.now.getTime() / 60_000)
  const quiet: SlaService[] = []
  for (const service of slaServices) {
    const rows = look.minutes.get(service) ?? []
    const [zh, en] = serviceNames[service]
    const stretch = badStretch(rows)
    if (stretch !== null) {
      const { minutes, ok, valid } = stretch
      const since = minuteText(stretch.from)
      add('service-bad', {
        service,
        zh: `${zh}自 ${since} 起 ${minutes} 分钟不可用：${valid} 次请求中 ${ok} 次成功。满 5 分钟即计为宕机。`,
        en: `${en} was bad for ${minutes} min since ${since}: ${ok} of ${valid} requests good. Five minutes are downtime.`,
      })
    }
    const minutes = unseen(rows)
    if (minutes !== null) quiet.push(service)
    for (const { window, failed, valid } of burning(rows, nowMinute)) {
      const hours = window.longMinutes / 60
      add(`burn-${window.name}`, {
        service,
        zh: `${zh}近 ${hours} 小时 ${valid} 次请求中 ${failed} 次失败，达到宕机额度速率的 ${window.per10000 / 5} 倍。`,
        en: `${en}: ${failed} of ${valid} requests failed in ${hours} h, ${window.per10000 / 5} times what the budget allows.`,
      })
    }
    if (service === 'signing' || service === 'certificate') {
      const below = belowNinetyNine(rows, nowMinute)
      if (below !== null) {
        add('signing-failing', {
          service,
          zh: `${zh}近 15 分钟 ${below.valid} 次中 ${below.ok} 次成功，低于 99%。`,
          en: `${en}: ${below.ok} of ${below.valid} in 15 minutes succeeded, below 99 %.`,
        })
      }
    }
    const down = look.downMinutes?.get(service)
    const allowed = allowedDownMinutes(30 * 1440)
    if (down !== undefined && down * 2 >= allowed) {
      add('budget-half', {
        service,
        zh: `${zh}本月已宕机 ${down} 分钟，上限约 ${allowed} 分钟；有风险的发布请推迟。`,
        en: `${en} was down ${down} min this month of about ${allowed}; put off risky releases.`,
      })
    }
  }
  if (quiet.length > 0) {
    const names = (index: 0 | 1) =>
      quiet.map((service) => serviceNames[service][index]).join(index === 0 ? '、' : ', ')
    add('minutes-unseen', {
      // With no probes nobody promised to look.
      ...(look.probed ? {} : { severity: 'P3' as const }),
      zh: `${names(0)}没有流量，也没有探测结果；满 5 分钟将计为宕机。${look.probed ? '请检查探测程序。' : '请部署探测程序。'}`,
      en: `Neither traffic nor a probe of ${names(1)}; five such minutes are downtime. ${look.probed ? 'See to the probes.' : 'Set up probes.'}`,
    })
  }
}

function judgeMeasures({ gathered, now }: Look, add: Add): void {
  const { values, failed } = gathered
  for (const { name, problem } of failed) {
    if (name === 'keyStore')
      add('key-store', { zh: `密钥库没有应答：${problem}`, en: `The key store did not answer: ${problem}` })
    else
      add('measure-failing', {
        subject: name,
        zh: `读数 ${name} 失败：${problem}`,
        en: `${name} cannot be read: ${problem}`,
      })
  }
  for (const copy of values.databaseCopies ?? []) {
    if (copy.role !== 'standby' || (copy.state !== 'down' && copy.state !== 'missing')) continue
    const subject = `${copy.cluster}/${copy.name}`
    add('database-copy', {
      subject,
      zh: `数据库副本 ${subject} 状态为 ${copy.state}。`,
      en: `The copy ${subject} is ${copy.state}.`,
    })
  }
  for (const { cluster, newestAt, everyMs } of values.backups ?? []) {
    const ageMs = newestAt === null ? null : now.getTime() - newestAt.getTime()
    if (ageMs !== null && ageMs <= everyMs * 1.5) continue
    const hours = ageMs === null ? null : Math.floor(ageMs / 3_600_000)
    add('backup-old', {
      subject: cluster,
      zh: hours === null ? `${cluster} 库还没有备份。` : `${cluster} 库最近一次备份在 ${hours} 小时前。`,
      en:
        hours === null
          ? `The ${cluster} database has no backup.`
          : `The last backup of the ${cluster} database is ${hours} h old.`,
    })
  }
  if (values.storage !== undefined) judgeStorage(values.storage, add)
  for (const { name, notAfter } of values.certificates ?? []) {
    const days = Math.floor((notAfter.getTime() - now.getTime()) / dayMs)
    if (days >= 30) continue
    add('certificate-expiring', {
      subject: name,
      ...(days < 7 ? { severity: 'P1' as const } : {}),
      zh: `证书 ${name} 将在 ${days} 天后到期。`,
      en: `The certificate ${name} expires in ${days} days.`,
    })
  }
  const queue = values.queue ?? []
  const late = queue.filter(({ oldestS }) => oldestS > queueLateS)
  if (late.length > 0) {
    const text = late
      .map(({ kind, waiting, oldestS }) => `${kind} ${waiting} (${Math.floor(oldestS / 60)} min)`)
      .join(', ')
    add('queue-stuck', {
      zh: `后台任务等待超过 5 分钟：${text}`,
      en: `Background work waits for more than five minutes: ${text}`,
    })
  }
  const givenUp = queue.filter((one) => one.givenUp > 0)
  if (givenUp.length > 0) {
    const text = givenUp.map((one) => `${one.kind} ${one.givenUp}`).join(', ')
    add('jobs-given-up', { zh: `多次重试后放弃的任务：${text}`, en: `Given up after all tries: ${text}` })
  }
  for (const { database, role, max, total, idle, waiting } of values.pools ?? []) {
    if (waiting === 0 || total < max || idle > 0) continue
    add('pool-exhausted', {
      subject: `${database}/${role}`,
      zh: `${database} 库 ${role} 的 ${max} 个连接全部占用，${waiting} 个请求在等待。`,
      en: `All ${max} connections of ${database}/${role} are in use, ${waiting} wait.`,
    })
  }
}

function judgeStorage({ domains, writable, repairs, freeBytes }: Measures['storage'], add: Add): void {
  const stuck = Object.keys(writable).filter((name) => writable[name] === false)
  if (stuck.length > 0) {
    add('storage-readonly', {
      zh: `可写的存储位置不足，${stuck.join('、')} 类对象无法确认写入。`,
      en: `Too few failure domains take writes: objects of class ${stuck.join(', ')} cannot be acknowledged.`,
    })
  }
  for (const { name, state, reason } of domains) {
    if (state !== 'quarantined') continue
    add('storage-quarantine', {
      subject: name,
      zh: `存储位置 ${name} 已隔离：${reason ?? ''}`,
      en: `The failure domain ${name} is quarantined: ${reason ?? ''}`,
    })
  }
  if (repairs > 0)
    add('storage-repairs', { zh: `有 ${repairs} 个副本待补齐。`, en: `${repairs} replicas wait to be made.` })
  for (const { domain, bytes } of freeBytes) {
    if (bytes === undefined || bytes >= diskLowBytes) continue
    const mebibytes = Math.floor(bytes / 1024 ** 2)
    add('disk-full', {
      subject: domain,
      zh: `${domain} 仅剩 ${mebibytes} MiB。`,
      en: `${domain} has ${mebibytes} MiB left.`,
    })
  }
}

function judgeTelling({ channels, rosterGaps, now }: Look, add: Add): void {
  for (const { name, failingSince, problem } of channels) {
    if (failingSince === null) continue
    if (name === 'heartbeat')
      add('heartbeat-failing', {
        zh: `心跳未送达：${problem ?? ''}`,
        en: `The heartbeat did not arrive: ${problem ?? ''}`,
      })
    else
      add('channel-failing', {
        subject: name,
        zh: `告警通道 ${name} 发送失败：${problem ?? ''}`,
        en: `The alert channel ${name} fails: ${problem ?? ''}`,
      })
  }
  const [first] = rosterGaps ?? []
  if (first === undefined) return
  const isNow = first.fromMs <= now.getTime()
  const from = new Date(first.fromMs).toISOString()
  const to = new Date(first.toMs).toISOString()
  add('roster-gap', {
    ...(isNow ? { severity: 'P1' as const } : {}),
    zh: `${from} 至 ${to} 无人值班。`,
    en: `Nobody is on call from ${from} to ${to}.`,
  })
}
