/**
 * Durability read from outside, from nothing but the calls of the running processes: whatever the database was told to
 * hold true of a replica was preceded by the write and the finished fsync that make it true, and whatever anybody was
 * answered was preceded by the database's own.
 */
import { isQuorum, quorums, type StorageClass } from '../../../apps/server/src/storage/quorum.ts'
import { type Call, pieces, target } from './calls.ts'
import { insertedRows, readTransactions, type Statement, type Transaction } from './conversations.ts'
import { createDiskHistory, type DiskHistory, type Place } from './disk-history.ts'

export interface ProofPlan {
  /** Folders of the failure domains, as real paths. */
  domains: readonly { name: string; site: 'primary' | 'recovery'; folder: string }[]
  clusters: readonly {
    port: number
    /** The cluster's own folder, as a real path. */
    data: string
    /** Those of its copies in the other site, one of which must have every commit. */
    copies: readonly string[]
  }[]
  unlogged?: readonly string[]
  /** Answers over HTTP that acknowledge objects; `mark` is in the answer and in no earlier one. */
  answers: readonly Answer[]
}

export interface Answer {
  mark: string
  /** Objects that are stored once this is said. */
  stored?: readonly string[]
  /** Scopes that have an object of their own by then. */
  holding?: readonly string[]
  destroyed?: readonly string[]
}

export interface ProofFinding {
  /** The object, transaction or answer that was acknowledged too early. */
  of: string
  missing: string
}

export interface Proof {
  objects: { id: string; storageClass: StorageClass; domains: string[]; kind: 'small' | 'large' }[]
  /** Replicas that were recorded, with or after their object. */
  replicas: number
  removals: number
  /** Commits that changed something, and how many of them had to be in the other site too. */
  commits: number
  commitsInBothSites: number
  answers: number
  findings: ProofFinding[]
}

export function prove(calls: readonly Call[], plan: ProofPlan): Proof {
  const disk = createDiskHistory(calls)
  const transactions = readTransactions(calls, {
    ports: plan.clusters.map(({ port }) => port),
    ...(plan.unlogged === undefined ? {} : { unlogged: plan.unlogged }),
  })
  const proof: Proof = {
    objects: [],
    replicas: 0,
    removals: 0,
    commits: 0,
    commitsInBothSites: 0,
    answers: 0,
    findings: [],
  }
  const recorded = new Map<string, Replica>()
  for (const transaction of transactions.toSorted((a, b) => a.answered - b.answered)) {
    for (const statement of transaction.statements) {
      proveReplicas(statement, plan, disk, recorded, proof)
      proveRemoval(statement, plan, disk, recorded, proof)
    }
    if (transaction.writes) proveCommit(transaction, plan, disk, proof)
  }
  for (const answer of plan.answers) proveAnswer(answer, calls, transactions, proof)
  return proof
}

interface Replica extends Place {
  domain: string
}

/** Before a replica is recorded it is durable where it is said to be; before an object is, its quorum is. */
function proveReplicas(
  statement: Statement,
  plan: ProofPlan,
  disk: DiskHistory,
  recorded: Map<string, Replica>,
  proof: Proof,
): void {
  const rows = insertedRows(statement, 'storage_replicas')
  const objects = insertedRows(statement, 'storage_objects')
  const good = new Map<string, string[]>()
  const large = new Set<string>()
  for (const row of rows) {
    const replica: Replica = {
      objectId: row.object_id ?? '',
      domain: row.domain ?? '',
      holder: row.holder ?? '',
      position: Number(row.position),
      // One that comes after its object is as long as the others.
      sizeBytes:
        Number(objects.find(({ id }) => id === row.object_id)?.stored_size_bytes) ||
        (sizeOf(row.object_id, recorded) ?? 0),
    }
    const domain = plan.domains.find(({ name }) => name === replica.domain)
    const of = `object ${replica.objectId} in ${replica.domain}`
    const missing =
      domain === undefined
        ? 'the failure domain is not one of the plan'
        : disk.missingOf(domain.folder, replica, statement.at)
    if (missing === undefined)
      good.set(replica.objectId, [...(good.get(replica.objectId) ?? []), replica.domain])
    else proof.findings.push({ of, missing })
    if (replica.holder.startsWith('objects/')) large.add(replica.objectId)
    recorded.set(`${replica.objectId} ${replica.domain}`, replica)
    proof.replicas += 1
  }
  for (const { id, class: named } of objects) {
    const storageClass: StorageClass = named === 'draft' ? 'draft' : 'signed'
    const domains = good.get(id ?? '') ?? []
    const sites = domains.map((name) => plan.domains.find((one) => one.name === name)?.site ?? 'primary')
    proof.objects.push({ id: id ?? '', storageClass, domains, kind: large.has(id ?? '') ? 'large' : 'small' })
    if (isQuorum(quorums[storageClass], sites)) continue
    const needed = `${quorums[storageClass].primary} + ${quorums[storageClass].recovery}`
    proof.findings.push({
      of: `object ${id}`,
      missing: `a quorum of ${needed} for ${storageClass}: durable in ${domains.join(', ') || 'no domain'}`,
    })
  }
}

function sizeOf(objectId: string | null | undefined, recorded: Map<string, Replica>): number | undefined {
  return Array.from(recorded.values()).find((one) => one.objectId === objectId)?.sizeBytes
}

/** Before a removal is recorded, the bytes are overwritten or the name is gone, durably. */
function proveRemoval(
  { sql, parameters, at }: Statement,
  plan: ProofPlan,
  disk: DiskHistory,
  recorded: Map<string, Replica>,
  proof: Proof,
): void {
  if (!removalEnds.test(sql)) return
  const [, method, objectId, name] = parameters
  const replica = recorded.get(`${objectId} ${name}`)
  // Never recorded, so there was nothing to remove. One that was is not absent before somebody removed it.
  if (replica === undefined && method === 'absent') return
  proof.removals += 1
  const folder = plan.domains.find((one) => one.name === name)?.folder
  const missing =
    replica === undefined || folder === undefined
      ? 'the record of the replica that was removed'
      : disk.missingOfRemoval(folder, replica, at)
  if (missing !== undefined) proof.findings.push({ of: `removal of ${objectId} in ${name}`, missing })
}
const removalEnds =
  /^update "storage_removals" set "removed_at" = \$1, "method" = \$2 where "object_id" = \$3 and "domain" = \$4/

/** Between being told to commit and saying so, the log was written and synced here, and in the other site too. */
function proveCommit(transaction: Transaction, plan: ProofPlan, disk: DiskHistory, proof: Proof): void {
  const cluster = plan.clusters.find(({ port }) => port === transaction.port)
  if (cluster === undefined) return
  proof.commits += 1
  const of = `commit of ${nameOf(transaction)} at line ${transaction.answered + 1}`
  const { told, answered } = transaction
  const isDurable = (data: string) => disk.logIsSynced(`${data}/pg_wal/`, told, answered)
  if (!isDurable(cluster.data))
    proof.findings.push({ of, missing: `a write and an fdatasync in ${cluster.data}/pg_wal` })
  if (transaction.hereOnly || cluster.copies.length === 0) return
  proof.commitsInBothSites += 1
  if (!cluster.copies.some(isDurable))
    proof.findings.push({
      of,
      missing: `a write and an fdatasync in pg_wal of ${cluster.copies.join(' or ')}`,
    })
}

function nameOf({ statements }: Transaction): string {
  for (const statement of statements) {
    const [row] = insertedRows(statement, 'storage_objects')
    if (row !== undefined) return `object ${row.id}`
  }
  const changing = statements.find(({ sql }) => /\b(insert into|update|delete from)\b/i.test(sql))
  return `«${(changing ?? statements[0])?.sql.replace(/\s+/g, ' ').slice(0, 80)}»`
}

/** What a client is told was committed before. */
function proveAnswer(
  { mark, stored = [], holding = [], destroyed = [] }: Answer,
  calls: readonly Call[],
  transactions: readonly Transaction[],
  proof: Proof,
): void {
  proof.answers += 1
  const of = `answer ${mark}`
  const said = calls.find((call) => isAnswer(call, mark))
  if (said === undefined) {
    proof.findings.push({ of, missing: 'the answer itself in the log of strace' })
    return
  }
  const before = transactions.filter(({ answered }) => answered < said.begin)
  const isCommitted = (table: string, column: string, value: string) =>
    before.some(({ statements }) =>
      statements.some((one) => insertedRows(one, table).some((row) => row[column] === value)),
    )
  for (const id of stored)
    if (!isCommitted('storage_objects', 'id', id))
      proof.findings.push({ of, missing: `the commit of object ${id}` })
  for (const id of holding)
    if (!isCommitted('storage_objects', 'scope_id', id))
      proof.findings.push({ of, missing: `the commit of an object of ${id}` })
  for (const id of destroyed)
    if (!isCommitted('storage_destructions', 'object_id', id))
      proof.findings.push({ of, missing: `the commit that destroys ${id}` })
}

function isAnswer(call: Call, mark: string): boolean {
  if ((call.name !== 'write' && call.name !== 'writev') || !target(call).startsWith('TCP')) return false
  if (!call.args.includes('HTTP/1.1 2')) return false
  const bytes = Buffer.concat(pieces(call).map((piece) => piece.bytes))
  return bytes.subarray(0, 10).toString('latin1') === 'HTTP/1.1 2' && bytes.includes(mark)
}
