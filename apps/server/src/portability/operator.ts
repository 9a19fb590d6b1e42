/** What operators do on the machine itself: exports into a folder or a file, and imports. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parsePem } from '@yinxin/pki'
import { readTar, type TarDamage } from '@yinxin/evidence'
import { z } from 'zod'
import type { Accounts } from '#src/accounts/accounts.ts'
import { refuse } from './errors.ts'
import type { ImportCall } from './import.ts'
import type { Portability } from './portability.ts'
import { ExportEnded, ExportMoved } from './writer.ts'

const exportOptions = z.object({
  corp: z.string(),
  to: z.string(),
  since: z.coerce.date().optional(),
  /** Goes on with an export that was begun before. */
  exportId: z.string().optional(),
  /** A folder with plain files, or one archive. */
  form: z.enum(['folder', 'archive']),
  lang: z.enum(['zh', 'en']).default('zh'),
})

const importOptions = z.object({
  path: z.string(),
  corp: z.string(),
  intoOther: z.boolean().optional(),
  members: z.boolean().optional(),
  trustPem: z.array(z.string()).optional(),
  logKeys: z.array(z.string()).optional(),
})

/** Progress is told this often. */
const TOLD_MS = 1000
/** How long another process is left alone that was faster. */
const BUSY_MS = 500

const isId = (text: string) => z.uuid().safeParse(text).success

/** @throws `export_not_found` for what cannot be the id of one */
function exportIdOf(given: Record<string, unknown>): string {
  const { exportId } = z.object({ exportId: z.string() }).parse(given)
  if (!isId(exportId)) throw refuse('export_not_found')
  return exportId
}

type Command = (options: Record<string, unknown>, call: ImportCall) => Promise<unknown>

export function createPortabilityCommands({
  portability,
  accounts,
}: {
  portability: Portability
  accounts: Pick<Accounts, 'corp' | 'corpByCreditCode'>
}): Record<'export' | 'export-status' | 'export-cancel' | 'import', Command> {
  async function corpOf(named: string): Promise<string> {
    const corp = (await accounts.corpByCreditCode(named)) ?? (isId(named) ? await accounts.corp(named) : null)
    if (corp === null) throw refuse('export_corp_unknown', { corp: named })
    return corp.id
  }

  return {
    async export(given, call) {
      const options = exportOptions.parse(given)
      if (options.exportId !== undefined && !isId(options.exportId)) throw refuse('export_not_found')
      const begun =
        options.exportId === undefined
          ? await portability.createFor(
              await corpOf(options.corp),
              options.since === undefined ? {} : { since: options.since },
              options.lang,
            )
          : await portability.statusOf(options.exportId)
      // Beside the jobs of a running server; in an installation opened for this command nobody else would.
      for (;;) {
        call.signal.throwIfAborted()
        const now = await portability.statusOf(begun.id)
        call.report({ step: 'collect', exportId: now.id, ...now.progress, bytes: now.sizeBytes })
        if (now.status === 'ready') break
        if (now.status !== 'queued' && now.status !== 'collecting')
          throw refuse('export_over', { status: now.status })
        const untilMs = performance.now() + TOLD_MS
        try {
          const isOver = () => call.signal.aborted || performance.now() > untilMs
          // What could not be read waits for its next turn; so does this.
          if (!(await portability.workOn(begun.id, isOver)) && !isOver()) await wait(BUSY_MS)
        } catch (error) {
          // A running server is at it too, and was faster: what it made is looked at after a moment.
          if (!(error instanceof ExportMoved || error instanceof ExportEnded)) throw error
          await wait(BUSY_MS)
        }
      }
      const archive = await portability.archiveFor(begun.id)
      const to = resolve(options.to)
      const written =
        options.form === 'archive'
          ? await writeArchive(archive, to, call)
          : await writeFolder(archive.read(0, archive.sizeBytes), to, call)
      const { counts, snapshotAt, manifestSha256, outcome, lossCount, losses } = await portability.statusOf(
        begun.id,
      )
      const lost = { outcome, lossCount, losses }
      return { exportId: begun.id, to, snapshotAt, manifestSha256, counts, ...lost, ...written }
    },

    async 'export-status'(given) {
      return await portability.statusOf(exportIdOf(given))
    },

    async 'export-cancel'(given) {
      return await portability.cancelFor(exportIdOf(given))
    },

    async import(given, call) {
      const { path, corp, intoOther, members, trustPem, logKeys } = importOptions.parse(given)
      return await portability.importer(
        {
          path: resolve(path),
          corp,
          ...(intoOther === undefined ? {} : { intoOther }),
          ...(members === undefined ? {} : { members }),
          ...(trustPem === undefined
            ? {}
            : { trust: trustPem.flatMap((pem) => parsePem(pem, 'CERTIFICATE')) }),
          ...(logKeys === undefined ? {} : { logKeys }),
        },
        call,
      )
    },
  }
}

/** Goes on at the end of what is there already: an archive never changes. */
async function writeArchive(
  archive: { sizeBytes: number; read(from: number, to: number): AsyncIterable<Uint8Array> },
  to: string,
  call: ImportCall,
): Promise<{ bytes: number }> {
  await mkdir(dirname(to), { recursive: true })
  const partial = `${to}.part`
  const file = await open(partial, 'a', 0o600)
  try {
    let { size: at } = await file.stat()
    for await (const chunk of archive.read(Math.min(at, archive.sizeBytes), archive.sizeBytes)) {
      call.signal.throwIfAborted()
      await file.writeFile(chunk)
      at += chunk.length
      call.report({ step: 'write', bytes: at })
    }
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(partial, to)
  return { bytes: archive.sizeBytes }
}

/** Every entry as a file of its own. A file that is there with the same bytes is left as it is. */
async function writeFolder(
  archive: AsyncIterable<Uint8Array>,
  to: string,
  call: ImportCall,
): Promise<{ files: number; bytes: number }> {
  const damage: TarDamage[] = []
  let files = 0
  let bytes = 0
  for await (const entry of readTar(archive, (one) => void damage.push(one))) {
    call.signal.throwIfAborted()
    const path = join(to, ...entry.path.split('/'))
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const partial = `${path}.part`
    const file = await open(partial, 'w', 0o600)
    const hash = createHash('sha256')
    try {
      for await (const chunk of entry.content) {
        hash.update(chunk)
        await file.writeFile(chunk)
      }
      await file.sync()
    } finally {
      await file.close()
    }
    const there = await stat(path).catch(() => undefined)
    if (there !== undefined && (await sha256Of(path)) !== hash.digest('hex'))
      throw refuse('import_unreadable', { path, problem: 'there is another file of this name' })
    await rename(partial, path)
    files += 1
    bytes += entry.sizeBytes
    call.report({ step: 'write', files, bytes })
  }
  if (damage.length > 0) throw new Error('the archive that was written here does not read back')
  return { files, bytes }
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array)
  return hash.digest('hex')
}
