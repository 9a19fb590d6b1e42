/**
 * What still speaks when the database does not: two failed looks in a row are told at once, from memory, over every
 * channel. A file keeps it from being told again by the next process. And the heartbeat to somebody outside, who
 * notices when this machine says nothing at all.
 */
import { mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '#src/clock.ts'
import { Refusal } from '#src/errors.ts'
import { newId } from '#src/ids.ts'
import type { Log } from '#src/log.ts'
import type { Audience } from './audience.ts'
import { audienceOf } from './audience.ts'
import type { Channel } from './channels.ts'
import { rules } from './rules.ts'
import type { ChannelName, Severity } from './tables.ts'

export interface WatchdogDeps {
  channels: ReadonlyMap<ChannelName, Channel>
  clock: Clock
  log: Log
  dataDir: string
  baseUrl: string
  heartbeatUrl: string | undefined
}

const failuresTold = 2

export function createWatchdog(deps: WatchdogDeps) {
  const { channels, clock, log } = deps
  const folder = join(deps.dataDir, 'monitoring')
  const path = join(folder, 'database-unreachable')
  let failures = 0
  let audience: Audience = { channels: new Set(channels.keys()), fixed: { mail: [], sms: [] }, onCall: [] }

  /** False when another process told it already. */
  async function take(): Promise<boolean> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    try {
      const handle = await open(path, 'wx', 0o600)
      try {
        await handle.writeFile(`${clock.now().toISOString()}\n`)
        await handle.sync()
      } finally {
        await handle.close()
      }
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw error
    }
  }

  interface Word {
    severity: Severity
    rule: string
    title: Record<'zh' | 'en', string>
    detail: Record<'zh' | 'en', string>
  }

  /** Past the tables, straight over every channel. */
  async function speak(to: Audience, { severity, rule, title, detail }: Word) {
    const places = audienceOf(to, { rule, severity, subject: null }, 'firing', 0)
    const at = clock.now().toISOString()
    const runbook = `${deps.baseUrl}/api/v1/runbooks/${rule}`
    return await Promise.all(
      places.map(async ({ channel, recipient, mentions, lang }) => {
        const heading = `${severity} ${title[lang]}`
        const facts = {
          id: newId(),
          key: rule,
          rule,
          severity,
          event: 'firing' as const,
          level: 0,
          service: null,
          subject: null,
          detailZh: detail.zh,
          detailEn: detail.en,
          openedAt: at,
          resolvedAt: null,
          acknowledgedBy: null,
          runbook,
        }
        const worded = {
          title: heading,
          markdown: `#### ${heading}\n\n${detail[lang]}\n\n[${lang === 'zh' ? '处置手册' : 'runbook'}](${runbook})`,
          plain: `${detail[lang]}\n${runbook}`,
          short: detail[lang],
          link: runbook,
          facts: [facts],
        }
        const target = channel === 'dingtalk' ? '0' : recipient
        try {
          const answer = await channels.get(channel)?.send({ id: newId(), target, mentions, lang, worded })
          return { channel, recipient, answer: answer ?? '', ok: true }
        } catch (error) {
          log.error({ err: error, channel }, 'an alert could not be sent')
          return {
            channel,
            recipient,
            answer: error instanceof Error ? error.message : String(error),
            ok: false,
          }
        }
      }),
    )
  }

  async function tellDirectly(error: unknown): Promise<void> {
    const { zh, en, severity } = rules['database-unreachable']
    const at = clock.now().toISOString()
    // Of a refusal its code; other texts may carry addresses.
    const code = error instanceof Refusal ? error.code : 'internal'
    log.fatal({ err: error }, 'the platform cannot look after itself')
    await speak(audience, {
      severity,
      rule: 'database-unreachable',
      title: { zh, en },
      detail: {
        zh: `截至 ${at}，平台连续两次无法自查（${code}），多为数据库没有应答，服务可能不可用。`,
        en: `At ${at} the platform could not look after itself twice in a row (${code}), mostly because the database does not answer.`,
      },
    })
  }

  return {
    /** Whom to tell when nobody can be looked up any more. */
    remember(known: Audience): void {
      audience = known
    },

    /** Since when the outage that is over lasted, when one was told of: the table can hear of it now. */
    async outage(): Promise<Date | null> {
      failures = 0
      const text = await readFile(path, 'utf8').catch(() => undefined)
      if (text === undefined) return null
      const since = new Date(text.trim())
      return Number.isNaN(since.getTime()) ? null : since
    },

    /** The table knows of the outage. */
    async forget(): Promise<void> {
      await rm(path, { force: true })
    },

    async failed(error: unknown): Promise<void> {
      failures += 1
      log.error({ err: error, failures }, 'the platform could not look after itself')
      if (failures !== failuresTold || !(await take())) return
      await tellDirectly(error)
    },

    /** A word over every channel, so that its way is known before it is needed. */
    async test(to: Audience) {
      return await speak(to, {
        severity: 'P1',
        rule: 'channel-failing',
        title: { zh: '测试', en: 'Test' },
        detail: { zh: '这是一条测试消息，无需处理。', en: 'This is a test; nothing is wrong.' },
      })
    },

    /** Tells somebody outside that all is looked after. @returns why it could not, if so */
    async beat(): Promise<string | null> {
      if (deps.heartbeatUrl === undefined) return null
      try {
        const response = await fetch(deps.heartbeatUrl, {
          method: 'POST',
          redirect: 'error',
          signal: AbortSignal.timeout(10_000),
        })
        await response.body?.cancel()
        return response.ok ? null : `the receiver answered ${response.status}`
      } catch {
        return 'the receiver did not answer'
      }
    },
  }
}
