import type { Audit } from '#src/audit/audit.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newDigits, newToken } from '#src/ids.ts'
import type { Kms } from '#src/kms/kms.ts'
import { type Caller, requireAdmin } from './caller.ts'
import { refuse } from './errors.ts'
import { lockCorp } from './members.ts'
import type { AccountTables } from './tables.ts'

export interface AppDetails {
  appId: string
  /** The company. */
  subjectId: string
  name: string
  environment: 'sandbox' | 'production'
  callbackUrl: string | null
  active: boolean
  createdAt: Date
}

export interface Apps {
  /**
   * The only answer that carries the secret, besides {@link Apps.rotateSecret}. Opens its own transaction;
   * `finish` runs in it, so that the app and the stored answer with its secret exist together.
   */
  create(
    caller: Caller,
    input: { name: string; environment: 'sandbox' | 'production'; callbackUrl?: string | undefined },
    finish?: (tx: Tx, made: AppDetails & { secret: string }) => Promise<void>,
  ): Promise<AppDetails & { secret: string }>
  list(
    caller: Caller,
    page: { after: string | null; limit: number },
  ): Promise<{ items: AppDetails[]; next: string | null }>
  change(
    caller: Caller,
    appId: string,
    change: { callbackUrl?: string | null | undefined; active?: boolean | undefined },
  ): Promise<AppDetails>
  /** The former secret stops working at once. */
  rotateSecret(
    caller: Caller,
    appId: string,
    finish?: (tx: Tx, made: AppDetails & { secret: string }) => Promise<void>,
  ): Promise<AppDetails & { secret: string }>
  /** An active app with its secret, for signature checks and callbacks; null for any other. */
  byAppId(appId: string): Promise<(AppDetails & { secret: string }) | null>
  /** Active apps of a company, for callbacks (worker role). */
  ofCorp(tx: Tx, corpId: string): Promise<AppDetails[]>
}

const APPS_PER_CORP = 20
const COLUMNS = [
  'app_id',
  'tenant_id',
  'name',
  'environment',
  'callback_url',
  'active',
  'created_at',
] as const

export function createApps({
  db,
  clock,
  audit,
  kms,
}: {
  db: Db
  clock: Clock
  audit: Audit
  kms: Kms
}): Apps {
  /** Subscribers of several facts ask the same within one delivery; the answer lives as long as its transaction. */
  const asked = new WeakMap<Tx, Map<string, Promise<AppDetails[]>>>()
  const seal = (appId: string, secret: string) => kms.sealSecret(`app:${appId}`, Buffer.from(secret, 'utf8'))

  return {
    async create(caller, input, finish) {
      const { corpId, session } = requireAdmin(caller)
      const callbackUrl = checkCallbackUrl(input.callbackUrl ?? null, input.environment)
      // Eight digits from 10000000, as integrators know them; a taken one is drawn again.
      for (;;) {
        const appId = `${1 + Math.floor(Number(newDigits(6)) / 111_112)}${newDigits(7)}`
        const secret = newToken(24)
        const app: AppDetails = {
          appId,
          subjectId: corpId,
          name: input.name,
          environment: input.environment,
          callbackUrl,
          active: true,
          createdAt: clock.now(),
        }
        const isNew = await db.work(async (tx) => {
          // Two at once must not both see room for one.
          await lockCorp(tx, corpId)
          const typed = tx.$extendTables<AccountTables>()
          const { count } = await typed
            .selectFrom('app')
            .select((eb) => eb.fn.countAll<number>().as('count'))
            .where('tenant_id', '=', corpId)
            .executeTakeFirstOrThrow()
          if (count >= APPS_PER_CORP) throw refuse('app_limit', { limit: APPS_PER_CORP })
          const inserted = await typed
            .insertInto('app')
            .values({
              app_id: appId,
              tenant_id: corpId,
              name: app.name,
              environment: app.environment,
              callback_url: callbackUrl,
              active: true,
              created_at: app.createdAt,
            })
            .onConflict((conflict) => conflict.doNothing())
            .returning('app_id')
            .executeTakeFirst()
          if (inserted === undefined) return false
          await typed
            .insertInto('app_secret')
            .values({ app_id: appId, secret_sealed: seal(appId, secret), created_at: app.createdAt })
            .execute()
          await audit.record(tx, {
            tenantId: corpId,
            caller: session,
            action: 'app.created',
            subjectKind: 'app',
            subjectId: appId,
            data: { name: app.name, environment: app.environment },
          })
          await finish?.(tx, { ...app, secret })
          return true
        }, corpId)
        if (isNew) return { ...app, secret }
      }
    },

    async list(caller, page) {
      const { corpId } = requireAdmin(caller)
      const rows = await db.as(corpId, (tx) => {
        let query = tx
          .$extendTables<AccountTables>()
          .selectFrom('app')
          .select(COLUMNS)
          .where('tenant_id', '=', corpId)
          .orderBy('app_id')
          .limit(page.limit + 1)
        if (page.after !== null) query = query.where('app_id', '>', page.after)
        return query.execute()
      })
      const items = rows.slice(0, page.limit).map(toApp)
      return { items, next: rows.length > page.limit ? (items.at(-1)?.appId ?? null) : null }
    },

    async change(caller, appId, change) {
      const { corpId, session } = requireAdmin(caller)
      return db.as(corpId, async (tx) => {
        const typed = tx.$extendTables<AccountTables>()
        const row = await typed
          .selectFrom('app')
          .select(COLUMNS)
          .where('app_id', '=', appId)
          .where('tenant_id', '=', corpId)
          .forUpdate()
          .executeTakeFirst()
        if (row === undefined) throw refuse('app_not_found')
        const after = {
          callback_url:
            change.callbackUrl === undefined
              ? row.callback_url
              : checkCallbackUrl(change.callbackUrl, row.environment),
          active: change.active ?? row.active,
        }
        await typed.updateTable('app').set(after).where('app_id', '=', appId).execute()
        await audit.record(tx, {
          tenantId: corpId,
          caller: session,
          action: 'app.changed',
          subjectKind: 'app',
          subjectId: appId,
          data: { active: after.active, callbackUrl: after.callback_url },
        })
        return toApp({ ...row, ...after })
      })
    },

    async rotateSecret(caller, appId, finish) {
      const { corpId, session } = requireAdmin(caller)
      const secret = newToken(24)
      return db.work(async (tx) => {
        const typed = tx.$extendTables<AccountTables>()
        const row = await typed
          .selectFrom('app')
          .select(COLUMNS)
          .where('app_id', '=', appId)
          .where('tenant_id', '=', corpId)
          .forUpdate()
          .executeTakeFirst()
        if (row === undefined) throw refuse('app_not_found')
        await typed
          .updateTable('app_secret')
          .set({ secret_sealed: seal(appId, secret), created_at: clock.now() })
          .where('app_id', '=', appId)
          .execute()
        await audit.record(tx, {
          tenantId: corpId,
          caller: session,
          action: 'app.secret-rotated',
          subjectKind: 'app',
          subjectId: appId,
        })
        const rotated = { ...toApp(row), secret }
        await finish?.(tx, rotated)
        return rotated
      }, corpId)
    },

    async byAppId(appId) {
      if (!/^\d{8}$/.test(appId)) return null
      const row = await db.work((tx) =>
        tx
          .$extendTables<AccountTables>()
          .selectFrom('app')
          .innerJoin('app_secret', 'app_secret.app_id', 'app.app_id')
          .select([
            'app.app_id',
            'tenant_id',
            'name',
            'environment',
            'callback_url',
            'active',
            'app.created_at',
            'secret_sealed',
          ])
          .where('app.app_id', '=', appId)
          .where('active', '=', true)
          .executeTakeFirst(),
      )
      if (row === undefined) return null
      return {
        ...toApp(row),
        secret: Buffer.from(kms.openSecret(`app:${appId}`, row.secret_sealed)).toString('utf8'),
      }
    },

    ofCorp(tx, corpId) {
      const known = asked.get(tx) ?? new Map<string, Promise<AppDetails[]>>()
      asked.set(tx, known)
      const apps = known.get(corpId) ?? activeApps(tx, corpId)
      known.set(corpId, apps)
      return apps
    },
  }
}

async function activeApps(tx: Tx, corpId: string): Promise<AppDetails[]> {
  const rows = await tx
    .$extendTables<AccountTables>()
    .selectFrom('app')
    .select(COLUMNS)
    .where('tenant_id', '=', corpId)
    .where('active', '=', true)
    .orderBy('app_id')
    .execute()
  return rows.map(toApp)
}

function toApp(row: Pick<AccountTables['app'], (typeof COLUMNS)[number]>): AppDetails {
  return {
    appId: row.app_id,
    subjectId: row.tenant_id,
    name: row.name,
    environment: row.environment,
    callbackUrl: row.callback_url,
    active: row.active,
    createdAt: row.created_at,
  }
}

/** Syntax only: where an address may lead is decided when it is called, because names resolve anew each time. */
function checkCallbackUrl(url: string | null, environment: 'sandbox' | 'production'): string | null {
  if (url === null) return null
  const parsed = URL.parse(url)
  const isAllowed =
    parsed !== null &&
    url.length <= 2048 &&
    (parsed.protocol === 'https:' || (parsed.protocol === 'http:' && environment === 'sandbox')) &&
    parsed.username === '' &&
    parsed.password === ''
  if (!isAllowed) throw refuse('callback_url_invalid')
  return url
}
