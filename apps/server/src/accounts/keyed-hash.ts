import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '#src/clock.ts'
import type { Db } from '#src/db/db.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { AccountTables } from './tables.ts'

/** HMAC-SHA-256 of a value under a key that only a running platform can open. */
export type KeyedHash = (label: string, value: string) => Promise<Buffer>

const KEY_NAME = 'accounts-v1'

/** The key is made at first use and rests in the database sealed by kms. */
export function createKeyedHash({ db, kms, clock }: { db: Db; kms: Kms; clock: Clock }): KeyedHash {
  let key: Promise<Buffer> | null = null

  async function loadKey(): Promise<Buffer> {
    const sealed = kms.sealSecret(`hash-key:${KEY_NAME}`, randomBytes(32))
    const row = await db.work(async (tx) => {
      const typed = tx.$extendTables<AccountTables>()
      const read = () =>
        typed.selectFrom('hash_key').select('key_sealed').where('name', '=', KEY_NAME).executeTakeFirst()
      const existing = await read()
      if (existing !== undefined) return existing
      // Of two processes that start at once, one key wins and both read it.
      await typed
        .insertInto('hash_key')
        .values({ name: KEY_NAME, key_sealed: sealed, created_at: clock.now() })
        .onConflict((conflict) => conflict.doNothing())
        .execute()
      return read()
    })
    if (row === undefined) throw new Error('the key of keyed hashes is missing')
    return Buffer.from(kms.openSecret(`hash-key:${KEY_NAME}`, row.key_sealed))
  }

  return async (label, value) => {
    key ??= loadKey().catch((error: unknown) => {
      key = null
      throw error
    })
    return createHmac('sha256', await key)
      .update(`${label}\0${value}`)
      .digest()
  }
}
