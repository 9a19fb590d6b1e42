import type { Tx } from '#src/db/db.ts'
import type { SealTables } from './tables.ts'

const COLUMNS = [
  'id',
  'tenant_id',
  'kind',
  'form',
  'name',
  'status',
  'width_mm',
  'height_mm',
  'created_at',
] as const
export type SealRow = Pick<SealTables['seal'], (typeof COLUMNS)[number]>
export type SceneRow = SealTables['free_sign_scene']

export interface Page {
  after: string | null
  limit: number
}

export async function insertSeal(tx: Tx, row: SealTables['seal']): Promise<void> {
  await tx.$extendTables<SealTables>().insertInto('seal').values(row).execute()
}

export async function countSeals(tx: Tx, tenantId: string): Promise<number> {
  const { count } = await tx
    .$extendTables<SealTables>()
    .selectFrom('seal')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('tenant_id', '=', tenantId)
    .where('status', '=', 'active')
    .executeTakeFirstOrThrow()
  return count
}

export async function findSeal(tx: Tx, tenantId: string, sealId: string): Promise<SealRow | undefined> {
  return tx
    .$extendTables<SealTables>()
    .selectFrom('seal')
    .select(COLUMNS)
    .where('id', '=', sealId)
    .where('tenant_id', '=', tenantId)
    .executeTakeFirst()
}

/** Like {@link findSeal}, keeping the status as it is until the transaction ends. */
export async function holdSeal(tx: Tx, tenantId: string, sealId: string): Promise<SealRow | undefined> {
  return tx
    .$extendTables<SealTables>()
    .selectFrom('seal')
    .select(COLUMNS)
    .where('id', '=', sealId)
    .where('tenant_id', '=', tenantId)
    .forShare()
    .executeTakeFirst()
}

/** Newest first; one row more than the limit tells whether another page follows. */
export async function listSeals(
  tx: Tx,
  tenantId: string,
  page: Page,
  only: readonly string[] | null,
): Promise<SealRow[]> {
  if (only?.length === 0) return []
  let query = tx
    .$extendTables<SealTables>()
    .selectFrom('seal')
    .select(COLUMNS)
    .where('tenant_id', '=', tenantId)
    .orderBy('id', 'desc')
    .limit(page.limit + 1)
  if (page.after !== null) query = query.where('id', '<', page.after)
  if (only !== null) query = query.where('id', 'in', only)
  return query.execute()
}

export async function activeSeals(tx: Tx, tenantId: string): Promise<SealRow[]> {
  return tx
    .$extendTables<SealTables>()
    .selectFrom('seal')
    .select(COLUMNS)
    .where('tenant_id', '=', tenantId)
    .where('status', '=', 'active')
    .orderBy('id')
    .execute()
}

export async function sealedPictures(tx: Tx, tenantId: string, sealId: string) {
  return tx
    .$extendTables<SealTables>()
    .selectFrom('seal')
    .select(['id', 'svg_sealed', 'appearance_sealed'])
    .where('id', '=', sealId)
    .where('tenant_id', '=', tenantId)
    .executeTakeFirst()
}

export async function newestHandwriting(tx: Tx, personId: string, limit: number) {
  return tx
    .$extendTables<SealTables>()
    .selectFrom('seal')
    .select(['id', 'svg_sealed'])
    .where('tenant_id', '=', personId)
    .where('kind', '=', 'personal')
    .where('status', '=', 'active')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
}

export async function updateStatus(tx: Tx, sealId: string, status: 'active' | 'disabled'): Promise<void> {
  await tx.$extendTables<SealTables>().updateTable('seal').set({ status }).where('id', '=', sealId).execute()
}

export async function disableOldestHandwriting(tx: Tx, personId: string): Promise<void> {
  await tx
    .$extendTables<SealTables>()
    .updateTable('seal')
    .set({ status: 'disabled' })
    .where('id', '=', (eb) =>
      eb
        .selectFrom('seal as oldest')
        .select('oldest.id')
        .where('oldest.tenant_id', '=', personId)
        .where('oldest.form', '=', 'handwritten')
        .where('oldest.status', '=', 'active')
        .orderBy('oldest.id')
        .limit(1),
    )
    .execute()
}

export async function liveScenes(tx: Tx, sealIds: readonly string[]): Promise<SceneRow[]> {
  if (sealIds.length === 0) return []
  return tx
    .$extendTables<SealTables>()
    .selectFrom('free_sign_scene')
    .select(['business_id', 'tenant_id', 'seal_id', 'name', 'expires_at', 'created_at', 'ended_at'])
    .where('seal_id', 'in', sealIds)
    .where('ended_at', 'is', null)
    .orderBy('created_at')
    .execute()
}

/** A scene that holds at `now`, of a seal that is active. */
export async function findScene(tx: Tx, tenantId: string, businessId: string, now: Date) {
  return tx
    .$extendTables<SealTables>()
    .selectFrom('free_sign_scene')
    .innerJoin('seal', 'seal.id', 'free_sign_scene.seal_id')
    .select([
      'free_sign_scene.business_id',
      'free_sign_scene.seal_id',
      'free_sign_scene.name',
      'free_sign_scene.expires_at',
    ])
    .where('free_sign_scene.business_id', '=', businessId)
    .where('free_sign_scene.tenant_id', '=', tenantId)
    .where('free_sign_scene.ended_at', 'is', null)
    .where((eb) =>
      eb.or([eb('free_sign_scene.expires_at', 'is', null), eb('free_sign_scene.expires_at', '>', now)]),
    )
    .where('seal.status', '=', 'active')
    .executeTakeFirst()
}

/** Ids of seals whose use is granted to the person at `now`, in the membership that began at `since`. */
export async function grantedSealIds(
  tx: Tx,
  tenantId: string,
  personId: string,
  since: Date,
  now: Date,
): Promise<string[]> {
  const rows = await tx
    .$extendTables<SealTables>()
    .selectFrom('seal_grant')
    .select('seal_id')
    .where('tenant_id', '=', tenantId)
    .where('person_id', '=', personId)
    .where('granted_at', '>=', since)
    .where('ended_at', 'is', null)
    .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', now)]))
    .execute()
  return rows.map((row) => row.seal_id)
}

export async function putGrant(tx: Tx, row: SealTables['seal_grant']): Promise<void> {
  await tx
    .$extendTables<SealTables>()
    .insertInto('seal_grant')
    .values(row)
    .onConflict((conflict) =>
      conflict
        .columns(['seal_id', 'person_id'])
        .doUpdateSet({ expires_at: row.expires_at, granted_at: row.granted_at, ended_at: null }),
    )
    .execute()
}

export async function endGrant(tx: Tx, sealId: string, personId: string, now: Date): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .$extendTables<SealTables>()
    .updateTable('seal_grant')
    .set({ ended_at: now })
    .where('seal_id', '=', sealId)
    .where('person_id', '=', personId)
    .where('ended_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

export async function liveGrants(tx: Tx, sealId: string, now: Date) {
  return tx
    .$extendTables<SealTables>()
    .selectFrom('seal_grant')
    .select(['person_id', 'expires_at', 'granted_at'])
    .where('seal_id', '=', sealId)
    .where('ended_at', 'is', null)
    .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', now)]))
    .orderBy('granted_at')
    .execute()
}

export async function insertScene(tx: Tx, row: SceneRow): Promise<void> {
  await tx.$extendTables<SealTables>().insertInto('free_sign_scene').values(row).execute()
}

export async function endScene(tx: Tx, sealId: string, businessId: string, now: Date): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .$extendTables<SealTables>()
    .updateTable('free_sign_scene')
    .set({ ended_at: now })
    .where('business_id', '=', businessId)
    .where('seal_id', '=', sealId)
    .where('ended_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}
