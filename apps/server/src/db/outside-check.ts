/** What an outside PostgreSQL lacks of what the embedded one gives: copies in both sites, an archive without holes. */
import pg from 'pg'
import { followPrimaries } from './primary-finder.ts'

export interface Finding {
  database: 'main' | 'keys'
  code:
    | 'version'
    | 'same_cluster'
    | 'archive_off'
    | 'archive_failing'
    | 'archive_idle'
    | 'no_standby'
    | 'sync_off'
    | 'sync_names'
    | 'fsync_off'
    | 'not_visible'
  zh: string
  en: string
}

export interface OutsideCheck {
  ok: boolean
  databases: {
    database: 'main' | 'keys'
    version: string
    systemIdentifier: string
    standbys: string[]
    syncNames: string
  }[]
  findings: Finding[]
}

const VERSION_MIN = 150_000
const ARCHIVE_IDLE_MIN = 15

/** Asks the server itself, of several hosts the primary; the owner's login needs the role pg_monitor to see replication. */
export async function checkOutside({
  ownerUrl,
  keysOwnerUrl,
}: {
  ownerUrl: string
  keysOwnerUrl: string
}): Promise<OutsideCheck> {
  const finder = await followPrimaries({ url: ownerUrl, ownerUrl, keysUrl: keysOwnerUrl, keysOwnerUrl })
  try {
    return await checkPrimaries(finder.urls())
  } finally {
    finder.stop()
  }
}

async function checkPrimaries(urls: { ownerUrl: string; keysOwnerUrl: string }): Promise<OutsideCheck> {
  const findings: Finding[] = []
  const databases: OutsideCheck['databases'] = []
  for (const [database, url] of [
    ['main', urls.ownerUrl],
    ['keys', urls.keysOwnerUrl],
  ] as const) {
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => undefined)
    await client.connect()
    try {
      databases.push(await checkOne(client, database, findings))
    } finally {
      await client.end()
    }
  }
  if (databases[0]?.systemIdentifier === databases[1]?.systemIdentifier) {
    findings.push({
      database: 'keys',
      code: 'same_cluster',
      zh: '密钥库与主库在同一集群：其日志与备份同在一处，销毁密钥后仍可从主库的备份中找回。请为密钥库另建集群。',
      en: 'The keys database shares a cluster with the main one, and so its log and its backups: a destroyed key comes back with them. Give it a cluster of its own.',
    })
  }
  return { ok: findings.length === 0, databases, findings }
}

async function checkOne(
  client: pg.Client,
  database: 'main' | 'keys',
  findings: Finding[],
): Promise<OutsideCheck['databases'][number]> {
  const found = (code: Finding['code'], zh: string, en: string) => findings.push({ database, code, zh, en })
  const { rows } = await client.query<Record<string, string>>(
    `select current_setting('server_version') as version, current_setting('server_version_num') as number,
       current_setting('archive_mode') as archive_mode, current_setting('fsync') as fsync,
       current_setting('synchronous_commit') as sync, current_setting('synchronous_standby_names') as sync_names,
       (select system_identifier::text from pg_control_system()) as id,
       pg_has_role(current_user, 'pg_monitor', 'usage')::text as monitor`,
  )
  const facts = rows[0] ?? {}
  if (Number(facts.number) < VERSION_MIN)
    found('version', 'PostgreSQL 须为 15 或更新。', 'PostgreSQL must be 15 or newer.')
  if (facts.fsync !== 'on')
    found(
      'fsync_off',
      'fsync 已关闭，断电会丢失已提交的数据。',
      'fsync is off: a power cut loses what was committed.',
    )
  const { rows: archiver } = await client.query<{
    failing: boolean
    idle: boolean
    last: string | null
  }>(
    `select coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) as failing,
       coalesce(last_archived_time, '-infinity') < now() - make_interval(mins => $1) as idle,
       last_archived_wal as last from pg_stat_archiver`,
    [ARCHIVE_IDLE_MIN],
  )
  if (facts.archive_mode === 'off') {
    found(
      'archive_off',
      '未归档日志（archive_mode=off），无法恢复到任一时刻。',
      'The log is not archived (archive_mode is off): no moment can be restored.',
    )
  } else if (archiver[0]?.failing) {
    found('archive_failing', '最近一次日志归档失败。', 'The last try to archive the log failed.')
  } else if (archiver[0]?.idle) {
    found(
      'archive_idle',
      `${ARCHIVE_IDLE_MIN} 分钟内没有归档任何日志；请设置 archive_timeout。`,
      `No log was archived for ${ARCHIVE_IDLE_MIN} minutes; set archive_timeout.`,
    )
  }
  if (facts.monitor !== 'true') {
    found(
      'not_visible',
      '看不到复制状态：请执行 GRANT pg_monitor 给该登录名。',
      'The state of replication cannot be seen: grant pg_monitor to this login.',
    )
  }
  const { rows: standbys } = await client.query<{ name: string; state: string | null; sync: string | null }>(
    'select application_name as name, state, sync_state as sync from pg_stat_replication',
  )
  const streaming = standbys.filter(({ state }) => state === 'streaming')
  if (facts.monitor === 'true' && streaming.length === 0) {
    found('no_standby', '没有流复制副本。', 'No standby follows.')
  }
  if (facts.sync === 'off' || facts.sync === 'local') {
    found(
      'sync_off',
      'synchronous_commit 未要求副本确认。',
      'synchronous_commit does not wait for a standby.',
    )
  }
  if (facts.sync_names === '') {
    found(
      'sync_names',
      '未设置 synchronous_standby_names，提交不等待另一站点；如 ANY 1 (另一站点的副本名)。',
      'synchronous_standby_names is not set, so no commit waits for the other site; for example ANY 1 (names of the standbys there).',
    )
  } else if (facts.monitor === 'true' && !standbys.some(({ sync }) => sync === 'sync' || sync === 'quorum')) {
    found(
      'sync_names',
      '同步副本均未连接，提交将等待。',
      'None of the synchronous standbys is connected: commits wait.',
    )
  }
  return {
    database,
    version: facts.version ?? '',
    systemIdentifier: facts.id ?? '',
    standbys: streaming.map(({ name }) => name),
    syncNames: facts.sync_names ?? '',
  }
}
