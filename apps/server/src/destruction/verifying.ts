/** Verification: what must be gone is looked for, everywhere, before anything is certified. */
import type { Clock } from '#src/clock.ts'
import type { DbCopy } from '#src/db/db.ts'
import { anyParty, type Kms } from '#src/kms/kms.ts'
import type { Storage } from '#src/storage/storage.ts'
import { probeLabel } from './shredding.ts'
import { type Check, recordOf, type ShredRecord } from './record.ts'
import type { DestructionRow } from './store.ts'

export interface VerifyingDeps {
  clock: Clock
  kms: Pick<Kms, 'scopeKeyState' | 'openForScope'>
  storage: Pick<Storage, 'destroyed' | 'reconcile' | 'removeDue'>
  dbCopies: () => Promise<DbCopy[]>
}

type Findings = Awaited<ReturnType<Storage['reconcile']>>['findings']

export function createVerifying({ kms, storage, dbCopies }: VerifyingDeps) {
  /** Walks all failure domains once, for all requests that wait for it. */
  async function walk(): Promise<Findings> {
    await storage.removeDue({ hasten: true })
    return (await storage.reconcile()).findings
  }

  async function verify(
    row: DestructionRow & { owner_id: string },
    findings: Findings,
  ): Promise<{ checks: Check[]; keyCopies: NonNullable<ShredRecord['keyCopies']> }> {
    const record = recordOf(row)
    const keyCopies = await copiesOfKeys(row)
    const checks = [await keyAbsent(row, record, keyCopies), await sampleUnreadable(row, record)]
    if (row.extent === 'contract') {
      checks.unshift(await replicasAbsent(record))
      checks.push(reconcileClean(row, record, findings))
    } else checks.push(await othersStillRead(row))
    return { checks, keyCopies: keyCopies.map(({ name, site, state }) => ({ name, site, state })) }
  }

  /** (1) No failure domain has a replica: each was walked after the removal. */
  async function replicasAbsent({ objects = [] }: ShredRecord): Promise<Check> {
    let domains = 0
    const open: string[] = []
    for (const { objectId } of objects) {
      const report = await storage.destroyed(objectId)
      for (const one of report?.domains ?? []) {
        if (one.state === 'removed' && one.verifiedAbsentAt !== undefined) domains += 1
        else open.push(`${objectId} ${one.domain} ${one.state}`)
      }
      if (report === undefined || report.domains.length === 0) open.push(`${objectId} not destroyed`)
    }
    return {
      check: 'replicas-absent',
      ok: open.length === 0,
      detail:
        open.length === 0
          ? `${objects.length} objects, ${domains} replicas looked for and not found`
          : open.slice(0, 5).join('; '),
    }
  }

  async function copiesOfKeys(row: DestructionRow) {
    const since = row.shredded_at ?? row.updated_at
    return (await dbCopies())
      .filter((copy) => copy.cluster === 'keys')
      .map((copy) => {
        const isCaughtUp =
          copy.role === 'primary' ||
          copy.state === 'missing' ||
          copy.lagBytes === 0 ||
          (copy.replayedAt !== null && copy.replayedAt > since)
        return {
          name: copy.name,
          site: copy.site,
          state: isCaughtUp ? 'absent' : `behind (${copy.state})`,
          isCaughtUp,
        }
      })
  }

  /** (2) The keys database has no wrap, and every copy of it has seen the deletion. */
  async function keyAbsent(
    row: DestructionRow,
    record: ShredRecord,
    copies: readonly { name: string; isCaughtUp: boolean }[],
  ): Promise<Check> {
    const scopes = [...new Set([row.task_id, ...(record.objects ?? []).map((one) => one.scopeId)])]
    const states = await kms.scopeKeyState(scopes)
    const living =
      row.extent === 'access'
        ? states.get(row.task_id)?.parties.includes(row.tenant_id)
          ? [row.tenant_id]
          : []
        : scopes.filter((scope) => states.get(scope)?.state === 'present')
    const behind = copies.filter((one) => !one.isCaughtUp).map((one) => one.name)
    const where =
      copies.length === 0
        ? 'the keys database (its copies are not this server’s to measure)'
        : `${copies.length} copies of the keys database`
    return {
      check: 'key-absent',
      ok: living.length === 0 && behind.length === 0,
      detail:
        living.length > 0
          ? `key still present: ${living.join(', ')}`
          : behind.length > 0
            ? `copies behind: ${behind.join(', ')}`
            : `absent in ${where}`,
    }
  }

  /** (3) What was sealed under the key before it went does not open. */
  async function sampleUnreadable(
    row: DestructionRow & { owner_id: string },
    { probe = '' }: ShredRecord,
  ): Promise<Check> {
    const partyId = row.extent === 'access' ? row.tenant_id : anyParty
    try {
      await kms.openForScope({ tenantId: row.owner_id, scopeId: row.task_id, partyId }, [
        { label: probeLabel, sealed: Buffer.from(probe, 'base64') },
      ])
      return { check: 'sample-unreadable', ok: false, detail: 'the held-back sample was opened' }
    } catch (error) {
      const { code = 'unknown' } = error as { code?: string }
      const isRefused = ['access_destroyed', 'content_key_missing', 'tenant_key_destroyed'].includes(code)
      return { check: 'sample-unreadable', ok: isRefused, detail: `opening it was refused: ${code}` }
    }
  }

  /** (4) The comparison of database, objects and keys finds neither remains nor keys. */
  function reconcileClean(row: DestructionRow, record: ShredRecord, findings: Findings): Check {
    const ours = new Set([
      row.task_id,
      ...(record.objects ?? []).flatMap((one) => [one.objectId, one.scopeId]),
    ])
    const bad = findings.filter(
      (one) =>
        ['c_destroyed_but_there', 'f_destroyed_but_key'].includes(one.class) && ours.has(one.subjectId),
    )
    return {
      check: 'reconcile-clean',
      ok: bad.length === 0,
      detail: bad.length === 0 ? 'classes c and f: none' : bad.map((one) => one.class).join(', '),
    }
  }

  /** A party's own request leaves the others unharmed. */
  async function othersStillRead(row: DestructionRow & { owner_id: string }): Promise<Check> {
    const parties = (await kms.scopeKeyState([row.task_id])).get(row.task_id)?.parties ?? []
    for (const partyId of parties)
      await kms.openForScope({ tenantId: row.owner_id, scopeId: row.task_id, partyId }, [])
    return { check: 'others-still-read', ok: true, detail: `${parties.length} other parties can still read` }
  }

  return { walk, verify }
}

export type Verifying = ReturnType<typeof createVerifying>
