/**
 * Takes an export of another installation: 1. the bundle is verified as a whole, 2. conflicts are looked for, 3. files
 * and contracts are taken one by one, each whole or not at all, 4. members are invited and the record of actions is
 * kept apart. Done again it changes nothing, so a broken import is simply done again.
 */
import { createHash } from 'node:crypto'
import { contractOfPath } from '@yinxin/evidence'
import type { Accounts } from '#src/accounts/accounts.ts'
import type { Audit } from '#src/audit/audit.ts'
import type { Clock } from '#src/clock.ts'
import type { Db } from '#src/db/db.ts'
import type { Documents } from '#src/documents/documents.ts'
import type { Evidence } from '#src/evidence/evidence.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Storage } from '#src/storage/storage.ts'
import { type BundleSource, openBundle } from './bundle-source.ts'
import { refuse } from './errors.ts'
import { type Checked, checkBundle, findPresent } from './import-check.ts'
import { createHistoryKeeper, HISTORY_ENTRIES } from './import-history.ts'
import { limited } from './import-limits.ts'
import { createTaker } from './import-take.ts'

export interface ImporterDeps {
  db: Db
  clock: Clock
  kms: Pick<Kms, 'createScopeKey' | 'scopeKeyState'>
  storage: Pick<Storage, 'put' | 'record'>
  audit: Audit
  accounts: Pick<Accounts, 'corp' | 'corpByCreditCode' | 'members'>
  documents: Pick<Documents, 'adopt'>
  evidence: Pick<Evidence, 'adopt'>
}

export interface ImportInput {
  /** Where the bundle lies on this machine; or the bundle itself. */
  path: string | BundleSource
  /** Id or credit code of the company that takes it. */
  corp: string
  /** The bundle may be of another company. */
  intoOther?: boolean
  /** Its members are invited, as plain members. */
  members?: boolean
  trust?: readonly Uint8Array[]
  logKeys?: readonly string[]
}

export type SkipReason = 'not_over' | 'destroyed_here' | 'gone_at_origin' | 'lost_at_origin'

export interface ImportReport {
  exportId: string
  source: { id: string; name: string; origin: string }
  corpId: string
  /** Whether the given root and log key vouch for all of it; null when none was given. */
  trusted: boolean | null
  logVerified: boolean | null
  files: { imported: number; unchanged: number }
  contracts: { imported: number; unchanged: number }
  /** Invited ones have to log in and choose the company before they are members; null when not asked for. */
  members: { invited: number; present: number; unusable: number } | null
  /** The record of actions of the origin, kept apart. */
  history: { imported: number; unchanged: number }
  /** What stays where it is, and why. */
  skipped: { id: string; title: string; reason: SkipReason }[]
  /** What a bundle carries and an installation decides for itself. */
  notImported: string[]
}

export interface ImportCall {
  report(progress: unknown): void
  signal: AbortSignal
}

/** Who may act, what is billed and whose name stands on a seal is for the new installation to say. */
const NOT_IMPORTED = ['apps', 'seals', 'seal-grants', 'free-sign-scenes', 'usage', 'callbacks']

export type Importer = ReturnType<typeof createImporter>

export function createImporter(deps: ImporterDeps) {
  const { db } = deps
  const taker = createTaker(deps)
  const history = createHistoryKeeper(deps)

  return async function importBundle(input: ImportInput, call: ImportCall): Promise<ImportReport> {
    const source = limited(typeof input.path === 'string' ? await openSource(input.path) : input.path)
    // 1. and 2. Nothing is written before all of it is known to be good.
    const checked = await checkBundle(source, input, call)
    const corp = (await deps.accounts.corpByCreditCode(input.corp)) ?? (await corpById(input.corp))
    if (corp === null) throw refuse('import_corp_unknown', { corp: input.corp })
    const { tenant } = checked.manifest
    if (tenant.creditCode !== corp.creditCode && input.intoOther !== true)
      throw refuse('import_other_company', {
        source: tenant.name,
        sourceCode: tenant.creditCode ?? tenant.id,
        target: corp.name,
        targetCode: corp.creditCode,
      })
    const present = await findHere(checked, corp.id)
    const report: ImportReport = {
      exportId: checked.manifest.exportId,
      source: { id: tenant.id, name: tenant.name, origin: checked.manifest.log.origin },
      corpId: corp.id,
      trusted: checked.trusted,
      logVerified: checked.logVerified,
      files: { imported: 0, unchanged: 0 },
      contracts: { imported: 0, unchanged: 0 },
      members: null,
      history: { imported: 0, unchanged: 0 },
      skipped: [],
      notImported: [...NOT_IMPORTED, ...(input.members === true ? [] : ['members'])],
    }
    // 3. and 4.
    await take(source, checked, corp.id, present, report, call)
    if (input.members === true) report.members = await invite(checked, corp.id)
    return report
  }

  /** Of what is here under the ids of the bundle, whether it can still be read: a row stays when its content went. */
  async function findHere(
    checked: Checked,
    corpId: string,
  ): Promise<Map<string, 'unchanged' | 'destroyed_here'>> {
    const ids = [...(await db.work((tx) => findPresent(tx, checked, corpId)))]
    const states = await deps.kms.scopeKeyState(ids)
    return new Map(
      ids.map((id) => [id, states.get(id)?.state === 'destroyed' ? 'destroyed_here' : 'unchanged'] as const),
    )
  }

  async function corpById(id: string) {
    return /^[0-9a-f-]{36}$/.test(id) ? await deps.accounts.corp(id) : null
  }

  async function invite(checked: Checked, corpId: string): Promise<NonNullable<ImportReport['members']>> {
    const counts = { invited: 0, present: 0, unusable: 0 }
    for (const member of checked.members) {
      if (!member.active || member.login === null) continue
      const { login } = member
      counts[await db.work((tx) => deps.accounts.members.inviteMember(tx, corpId, login))] += 1
    }
    return counts
  }

  async function take(
    source: BundleSource,
    checked: Checked,
    corpId: string,
    present: ReadonlyMap<string, 'unchanged' | 'destroyed_here'>,
    report: ImportReport,
    call: ImportCall,
  ): Promise<void> {
    const lost = new Set((checked.manifest.lost ?? []).map((one) => one.subjectId))
    let current: { taskId: string; contents: Map<string, Uint8Array> } | null = null
    const bound = new Map<string, Uint8Array>()
    const settle = async () => {
      if (current !== null) await takeContract(current.taskId, current.contents)
      current = null
    }
    const takeContract = async (taskId: string, contents: Map<string, Uint8Array>) => {
      const contract = checked.contracts.get(taskId)
      if (contract === undefined) throw refuse('import_bundle_bad', { problem: `contracts/${taskId}` })
      if (lost.has(taskId)) return
      const outcome = present.get(taskId) ?? (await taker.importContract(checked, corpId, contract, contents))
      if (outcome === 'imported' || outcome === 'unchanged') report.contracts[outcome] += 1
      else report.skipped.push({ id: taskId, title: contract.title, reason: outcome })
      call.report({ step: 'import', ...report.contracts })
    }
    for await (const { path, content } of source.items([])) {
      call.signal.throwIfAborted()
      const inner = contractOfPath(path)
      if (inner !== null) {
        if (current !== null && (current as { taskId: string }).taskId !== inner.taskId) await settle()
        current ??= { taskId: inner.taskId, contents: new Map() }
        ;(current as { contents: Map<string, Uint8Array> }).contents.set(
          inner.inner,
          await readEntry(checked, path, content),
        )
        continue
      }
      if (HISTORY_ENTRIES.includes(path)) {
        bound.set(path, await readAll(checked, path, content))
        continue
      }
      const fileId = /^files\/([0-9a-f-]{36})\.pdf$/.exec(path)?.[1]
      const file = fileId === undefined ? undefined : checked.files.get(fileId)
      if (file === undefined) continue
      const outcome =
        present.get(file.id) ??
        (await taker.importFile(checked, corpId, file, await readEntry(checked, path, content)))
      if (outcome === 'destroyed_here')
        report.skipped.push({ id: file.id, title: file.name, reason: outcome })
      else report.files[outcome] += 1
    }
    await settle()
    report.history[await history.keep(checked, corpId, bound)] += 1
    for (const contract of checked.contracts.values()) {
      if (checked.manifest.gone.includes(contract.id))
        report.skipped.push({ id: contract.id, title: contract.title, reason: 'gone_at_origin' })
      // A contract that came in parts is no contract: it stays where its rest may be found.
      else if (lost.has(contract.id))
        report.skipped.push({ id: contract.id, title: contract.title, reason: 'lost_at_origin' })
      else if (contract.startedAt === null)
        report.skipped.push({ id: contract.id, title: contract.title, reason: 'not_over' })
    }
    for (const file of checked.files.values())
      if (lost.has(file.id)) report.skipped.push({ id: file.id, title: file.name, reason: 'lost_at_origin' })
  }

  /** The bundle may have changed since it was verified: every entry is held to the list once more. */
  async function readEntry(
    checked: Checked,
    path: string,
    content: AsyncIterable<Uint8Array>,
  ): Promise<Buffer> {
    const bytes = await collect(content)
    if (createHash('sha256').update(bytes).digest('hex') !== checked.entries.get(path)?.sha256)
      throw refuse('import_bundle_bad', { problem: path })
    return bytes
  }

  /** The list and what binds it stand in no list: the manifest's hash, and that of the list in it, hold them. */
  async function readAll(
    checked: Checked,
    path: string,
    content: AsyncIterable<Uint8Array>,
  ): Promise<Buffer> {
    if (checked.entries.has(path)) return await readEntry(checked, path, content)
    const bytes = await collect(content)
    const wanted =
      path === 'manifest.json'
        ? checked.manifestSha256
        : path === 'entries.jsonl'
          ? checked.manifest.entries.sha256
          : null
    if (wanted !== null && createHash('sha256').update(bytes).digest('hex') !== wanted)
      throw refuse('import_bundle_bad', { problem: path })
    return bytes
  }
}

async function collect(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of content) parts.push(new Uint8Array(chunk))
  return Buffer.concat(parts)
}

async function openSource(path: string): Promise<BundleSource> {
  try {
    return await openBundle(path)
  } catch (error) {
    throw refuse('import_unreadable', {
      path,
      problem: error instanceof Error ? error.message : String(error),
    })
  }
}
