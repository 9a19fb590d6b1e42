/**
 * The FASC 5.1 compatible API: a program written for that protocol works against this platform when its base
 * address and its secret are changed. It owns the names under which such clients know things, and calls the
 * doors of the other rooms for everything else.
 */
import { z } from 'zod'
import type { Accounts } from '#src/accounts/accounts.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import type { Documents } from '#src/documents/documents.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Outbox } from '#src/outbox/outbox.ts'
import type { Seals } from '#src/seals/seals.ts'
import type { SignTasks } from '#src/sign-tasks/sign-tasks.ts'
import type { Storage } from '#src/storage/storage.ts'
import type { Verification } from '#src/verification/verification.ts'
import type { Webhooks } from '#src/webhooks/webhooks.ts'
import { callbackEndpoints, subscribeFascCallbacks } from './callbacks.ts'
import { createDownloads, type Download, type EvidencePackage } from './downloads.ts'
import { createFascDrafts } from './drafts.ts'
import type { Endpoints } from './endpoint.ts'
import { refuse } from './errors.ts'
import { fileEndpoints } from './file-endpoints.ts'
import { createGate, type GateRequest } from './gate.ts'
import { createDownloadLinks } from './links.ts'
import { sealEndpoints } from './seal-endpoints.ts'
import { createSealNumbers } from './seal-numbers.ts'
import { forgetNonces, forgetTask, uploadsOf } from './store.ts'
import { subjectEndpoints } from './subject-endpoints.ts'
import { taskEndpoints } from './task-endpoints.ts'
import { createTokens, TOKEN_LIFE_MS } from './tokens.ts'
import { createUploads } from './uploads.ts'
import { VENDOR_PATHS } from './vendor-paths.ts'

export { toOpenId } from './open-ids.ts'

export interface FascDeps {
  db: Db
  clock: Clock
  jobs: Jobs
  outbox: Outbox
  kms: Kms
  storage: Storage
  accounts: Accounts
  seals: Seals
  documents: Documents
  signTasks: SignTasks
  verification: Verification
  evidencePackage: EvidencePackage
  webhooks: Webhooks
  pace: Parameters<typeof createGate>[0]['pace']
  /** Without a slash at the end. */
  baseUrl: string
  /** Of one app to one interface. */
  callsPerSecond: number
}

export interface Fasc {
  /** Answers a call: checks who sends it and does what its path names. @throws Refusal */
  call(path: string, request: Omit<GateRequest, 'isTokenCall' | 'path'>): Promise<unknown>
  /** Takes the content of an announced upload. */
  receive(token: string, content: AsyncIterable<Uint8Array>): Promise<void>
  /** What a download link opens. */
  download(key: string): Promise<Download>
  /** Largest file taken, in bytes. */
  readonly limitBytes: number
  /** The number under which clients know a company's seal. */
  sealNumber(corpId: string, sealId: string): Promise<number>
  /** What this room keeps of a contract that is being destroyed (worker role). */
  destruction: {
    objects(tx: Tx, taskId: string, fileIds: readonly string[]): ReturnType<typeof uploadsOf>
    forget: typeof forgetTask
  }
  /** Paths that are implemented. */
  readonly paths: readonly string[]
}

const TOKEN_PATH = '/service/get-access-token'

export function createFasc(deps: FascDeps): Fasc {
  const { db, clock, seals, signTasks, accounts } = deps
  const tokens = createTokens(deps)
  const gate = createGate({ ...deps, tokens })
  const links = createDownloadLinks(deps)
  const downloads = createDownloads(deps)
  const sealNumbers = createSealNumbers(deps)
  const uploads = createUploads(deps)
  const drafts = createFascDrafts({ ...deps, sealNumbers })
  const endpoints: Endpoints = {
    ...fileEndpoints({ ...deps, uploads }),
    ...subjectEndpoints(accounts),
    ...sealEndpoints({ accounts, seals, sealNumbers, links }),
    ...taskEndpoints({ db, signTasks, drafts, links }),
    ...callbackEndpoints(deps.webhooks),
  }
  subscribeFascCallbacks(deps)

  deps.jobs.define('fasc.prune', z.looseObject({}), () => db.work((tx) => forgetNonces(tx, clock.now())))
  deps.jobs.schedule('fasc.prune', '*/10 * * * *')

  return {
    limitBytes: uploads.limitBytes,
    paths: [TOKEN_PATH, ...Object.keys(endpoints)],

    async call(path, request) {
      const isTokenCall = path === TOKEN_PATH
      const isKnown = isTokenCall || VENDOR_PATHS.has(path)
      const caller = await gate.admit({ ...request, isTokenCall, path: isKnown ? path : 'unknown' })
      if (isTokenCall) {
        return { accessToken: await tokens.issue(caller), expiresIn: String(TOKEN_LIFE_MS / 1000) }
      }
      const handle = Object.hasOwn(endpoints, path) ? endpoints[path] : undefined
      if (handle !== undefined) return await handle(caller, readContent(request.bizContent))
      const name = path.slice(0, 200)
      throw VENDOR_PATHS.has(path)
        ? refuse('fasc_not_implemented', { path: name })
        : refuse('fasc_path_unknown', { path: name })
    },

    receive: uploads.receive,
    destruction: { objects: (tx, _taskId, fileIds) => uploadsOf(tx, fileIds), forget: forgetTask },
    download: async (key) => await downloads(links.open(key)),

    async sealNumber(corpId, sealId) {
      const number = (await sealNumbers.numbers(corpId, [sealId])).get(sealId)
      if (number === undefined) throw new Error(`the seal ${sealId} got no number`)
      return number
    },
  }
}

function readContent(text: string): object {
  let content: unknown
  try {
    content = text === '' ? {} : JSON.parse(text)
  } catch (cause) {
    throw refuse('fasc_content_invalid', {}, cause)
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw refuse('fasc_content_invalid')
  }
  return content
}
