/**
 * Plays an operator who is root on every folder of the platform (objects, both databases with their copies, base
 * backups and archived logs, server log, temporary files) and has a dump of both databases, but neither the key folder
 * nor the HSM: looks for known plaintexts in every byte, and tries every key-shaped value as a key.
 */
import { createSecretKey, hkdfSync } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createZstdDecompress } from 'node:zlib'
import pg from 'pg'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Config, readConfig } from '../../apps/server/src/config.ts'
import { readTar } from '../../apps/server/src/db/tar.ts'
import { readSegment } from '../../apps/server/src/db/wal-archive.ts'
import { openBytes } from '../../apps/server/src/kms/wrap.ts'
import { createLog } from '../../apps/server/src/log.ts'
import { drawSampleContract } from '../../apps/server/src/sandbox/sample-contract.ts'
import { removeInstallation, type Server, startServer } from '../../apps/server/src/server.ts'
import { openMessage } from '../../apps/server/src/storage/cobblestone.ts'
import { decodeEnvelope, envelopeBytes } from '../../apps/server/src/storage/envelope.ts'
import { startWebhookSink, type WebhookSink } from '../fakes/webhook-sink.ts'
import { searchFor } from '../needles.ts'
import { handwriting, openStage, type Stage, type StageCompany } from '../stage.ts'

/** Nobody else has these. */
const title = '关于青瓷茶具的绝密采购协议'
const corpName = '示例青瓷密约有限公司'
const personName = '皇甫青瓷'
const fileName = '青瓷附件一.pdf'
const mobile = '13400009977'

let folder: string
let config: Config
let server: Server | undefined
let sink: WebhookSink
let stage: Stage
let corp: StageCompany
let contract: Uint8Array
let tables: Dump[]
/** Every file that the operator can read, backups unpacked, by a name that begins with the kind of its place. */
let files: Map<string, Buffer>
/** Tables of keys as they lie in the files of the keys cluster, with what was updated and deleted. */
let rawKeyTables: Buffer[]
/** What must be found nowhere, by what it is. */
const secrets = new Map<string, Buffer[]>()
const temporaryBefore = process.env.TMPDIR

interface Dump {
  table: string
  rows: Record<string, unknown>[]
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yinxin-operator-'))
  await chmod(folder, 0o711)
  // Whatever the platform puts aside for a moment lies where the operator looks.
  await mkdir(join(folder, 'tmp'))
  await chmod(join(folder, 'tmp'), 0o711)
  process.env.TMPDIR = join(folder, 'tmp')
  config = readConfig({
    YINXIN_MODE: 'sandbox',
    YINXIN_PORT: '0',
    YINXIN_TRUST_PROXY: '127.0.0.1',
    YINXIN_DATA_DIR: join(folder, 'data'),
    YINXIN_DB_COPIES: '1+1',
  })
  const said: string[] = []
  const log = createLog('trace', { write: (line) => void said.push(line) })
  server = await startServer(config, { log })
  sink = await startWebhookSink()
  stage = await openStage({ at: server.url })
  corp = await stage.company(corpName)
  contract = await drawSampleContract({ corpName, personName, number: 'YX-CQ-1', date: '2026年1月1日' })
  const app = await stage.ok<{ appId: string; appSecret: string }>('POST', '/api/v1/apps', {
    token: corp.token,
    body: { name: 'operator', environment: 'sandbox', callbackUrl: sink.url },
  })
  secrets.set('secrets of apps', [Buffer.from(app.appSecret)])
  const fileId = await stage.upload(corp.token, contract, fileName)
  const task = await stage.createTask(corp.token, {
    title,
    documents: [{ ref: 'd', fileId }],
    actors: [
      { ref: 'person', kind: 'person', role: 'sign', name: personName, mobile, order: 1 },
      {
        ref: 'corp',
        kind: 'corp',
        role: 'sign',
        name: corpName,
        subjectId: corp.corpId,
        order: 2,
        freeSignBusinessId: corp.businessId,
      },
    ],
    fields: [
      { documentRef: 'd', actorRef: 'person', kind: 'signature', position: { page: 1, x: 50, y: 200 } },
      { documentRef: 'd', actorRef: 'corp', kind: 'seal', position: { page: 1, x: 50, y: 50 } },
    ],
    autoStart: true,
  })
  // A backup from the middle of the story, and one from its end.
  for (const cluster of ['main', 'keys'] as const) await server.databases?.backup(cluster)
  const visit = await stage.visit(await stage.link(corp.token, task, 'person'), mobile, personName)
  expect((await stage.sign(visit, mobile, { handwriting })).status).toBe(200)
  await stage.until(corp.token, task.id, (one) => one.status === 'finished')

  await sink.until((all) => all.some(({ body }) => body.includes(task.id) && body.includes('finished')))

  // An archive of everything that the company owns lies ready, and a large upload is on its way.
  const code = await stage.codeBy(corp.admin.login, () =>
    stage.ok('POST', '/api/v1/export-codes', { token: corp.token }),
  )
  const { id: exportId } = await stage.ok<{ id: string }>('POST', '/api/v1/exports', {
    token: corp.token,
    body: { code },
  })
  await vi.waitFor(
    async () => {
      const { status } = await stage.ok<{ status: string }>('GET', `/api/v1/exports/${exportId}`, {
        token: corp.token,
      })
      expect(status).toBe('ready')
    },
    { timeout: 60_000, interval: 200 },
  )
  const spooled = await spoolOfOpenUpload()

  const slices = (bytes: Uint8Array, step: number) => {
    const all: Buffer[] = []
    for (let at = 64; at + 40 <= bytes.length; at += step) all.push(Buffer.from(bytes.subarray(at, at + 40)))
    return all
  }
  secrets.set('the contract', slices(contract, 997))
  const sent = await stage.messages(mobile)
  expect(sent.length).toBeGreaterThan(1)
  secrets.set(
    'messages and codes',
    sent.map((one) => Buffer.from(one.body.slice(0, 40), 'utf8')),
  )
  secrets.set('session tokens', [
    Buffer.from(corp.token),
    Buffer.from(visit.token),
    Buffer.from(visit.linkToken),
  ])
  const seal = await stage.download(`/api/v1/seals/${corp.sealId}/image.svg`, corp.token)
  secrets.set('seals', slices(seal, 300))

  const databases = server.databases ?? expect.fail('the databases are embedded')
  const { ownerUrl, keysOwnerUrl } = databases.urls()
  tables = [...(await dump('main', ownerUrl)), ...(await dump('keys', keysOwnerUrl))]
  const keyTables = await pathsOfTables(keysOwnerUrl)
  const keysCluster = databases.keys.primary().dataFolder
  for (const cluster of ['main', 'keys'] as const) await databases.backup(cluster)
  const temporary = await readAll('temporary files', join(folder, 'tmp'))
  // What lies in shared memory only is written at the end.
  await server.stop()
  server = undefined
  rawKeyTables = await Promise.all(keyTables.map((path) => readFile(join(keysCluster, path))))
  files = new Map([
    ...(await placesOnDisk()),
    ...spooled,
    ...temporary,
    ...(await readAll('temporary files', join(folder, 'tmp'))),
    ['server log', Buffer.from(said.join(''))] as const,
  ])
}, 240_000)
afterAll(async () => {
  await server?.stop()
  await sink?.close()
  if (temporaryBefore === undefined) delete process.env.TMPDIR
  else process.env.TMPDIR = temporaryBefore
  if (config) await removeInstallation(config)
  await rm(folder, { recursive: true, force: true })
})

/**
 * What an upload that has not ended leaves where it waits, as somebody sees it who is root and may look through the
 * descriptors of the process: the file has no name any more.
 */
async function spoolOfOpenUpload(): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>()
  const body = uploadOf(contract, 3 << 20)
  const upload = request(`${stage.url}/api/v1/files?name=${encodeURIComponent(fileName)}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${corp.token}`, 'content-type': 'application/pdf' },
  })
  upload.on('error', () => undefined)
  upload.write(body)
  await vi.waitFor(
    async () => {
      for (const name of await readdir('/proc/self/fd')) {
        const link = `/proc/self/fd/${name}`
        const target = await readlink(link).catch(() => '')
        if (!target.startsWith(join(config.dataDir, 'spool'))) continue
        found.set(`spool of uploads: ${target}`, await readFile(link))
      }
      const sizes = Array.from(found.values(), (bytes) => bytes.length)
      expect(Math.max(0, ...sizes)).toBeGreaterThan(1 << 20)
    },
    { timeout: 30_000, interval: 100 },
  )
  upload.destroy()
  return found
}

/** The contract over and over, so that it waits on disk and not in memory. */
function uploadOf(bytes: Uint8Array, sizeBytes: number): Buffer {
  return Buffer.concat(Array.from({ length: Math.ceil(sizeBytes / bytes.length) }, () => bytes))
}

/** Kinds of places that one search must have seen, or it proves nothing. */
const KINDS = [
  'spool of uploads',
  'object storage',
  'main cluster',
  'main copy',
  'main base backup',
  'main log archive',
  'keys cluster',
  'keys copy',
  'keys base backup',
  'keys log archive',
  'server log',
  'other files',
]
const kindOf = (name: string) => name.split(': ')[0] ?? name

test('an operator finds contracts, messages, tokens, secrets and seals nowhere, in no backup and no deleted row', () => {
  expect(tables.length).toBeGreaterThan(50)
  // An export is no file: its entries point to objects, and what was written for it is one more object.
  expect(rowsOf('main.export_entry').length).toBeGreaterThan(5)
  for (const kind of KINDS) {
    expect(
      [...files.keys()].some((name) => kindOf(name) === kind),
      kind,
    ).toBe(true)
  }
  const stored = [...files].filter(([name]) => kindOf(name) === 'object storage')
  expect(stored.reduce((sum, [, bytes]) => sum + bytes.length, 0)).toBeGreaterThan(6 * contract.length)
  const found: string[] = []
  const search = searchFor(
    [...secrets].flatMap(([what, plaintexts]) =>
      plaintexts.flatMap(spellings).map((bytes) => ({ what, bytes })),
    ),
  )
  for (const [name, bytes] of files) for (const what of search.in(bytes)) found.push(`${what} in ${name}`)
  for (const { place, bytes } of columns()) {
    for (const what of search.in(bytes)) found.push(`${what} in ${place}`)
  }
  expect(found).toEqual([])

  // What is known to lie in the keys database is found wherever it is kept: the search does read all of it.
  const wraps = [...rowsOf('keys.tenant_keys'), ...rowsOf('keys.scope_key_wraps')].map((row) => row.wrapped)
  const control = searchFor(wraps.map((bytes) => ({ what: 'a wrap', bytes: bytes as Buffer })))
  const seen = new Set(
    [...files].flatMap(([name, bytes]) => (control.in(bytes).size > 0 ? [kindOf(name)] : [])),
  )
  expect([...seen].sort()).toEqual(['keys base backup', 'keys cluster', 'keys copy', 'keys log archive'])
})

test('what lies in clear in the database and on disk is what the threat model lists, no more and no less', async () => {
  const search = searchFor(
    [title, corpName, personName, fileName, mobile]
      .flatMap((text) => spellings(Buffer.from(text, 'utf8')))
      .map((bytes) => ({ what: 'clear', bytes })),
  )
  const found = new Set<string>()
  for (const { place, bytes } of columns()) if (search.in(bytes).size > 0) found.add(place)
  const places = new Set<string>()
  for (const [name, bytes] of files) if (search.in(bytes).size > 0) places.add(kindOf(name))
  const page = await readFile(join(import.meta.dirname, '../../docs/design/threat-model.md'), 'utf8')
  const listed = [...page.matchAll(/^\| `((?:main|keys)\.[\w.]+)` \|/gm)].map((match) => match[1])
  expect([...found].sort()).toEqual(listed.sort())
  const listedPlaces = [...page.matchAll(/^\| files of `([\w ]+)` \|/gm)].map((match) => match[1])
  expect([...places].sort()).toEqual(listedPlaces.sort())
})

test('no value in folders and databases opens anything, and with the key folder the same attack succeeds', async () => {
  const candidates = keyShaped()
  expect(candidates.size).toBeGreaterThan(100)
  expect(attack([...candidates.values()])).toEqual({ opened: [], contracts: 0 })

  // The same hands with the key folder: what this test would look like if it failed.
  const stolen = await stolenKeys()
  const outcome = attack([...candidates.values(), ...stolen.filter((bytes) => bytes.length === 32)], stolen)
  expect(outcome.opened.length).toBeGreaterThan(5)
  expect(outcome.contracts).toBeGreaterThan(0)
})

test('no bytes of the tables of keys on disk open a key, deleted ones included, and the root key does', async () => {
  const windows = rawKeyTables.flatMap(windowsOf)
  expect(windows.length).toBeGreaterThan(1000)
  const doors = wrappedValues([]).filter(({ name }) => ['epoch', 'secrets', 'tenant', 'scope'].includes(name))
  const openedBy = (keys: Buffer[]) => {
    const opened = new Set<string>()
    for (const key of keys.flatMap(derived)) {
      for (const { name, labels, wrapped } of doors) {
        if (labels.some((label) => tryOpen(key, label, wrapped) !== undefined)) opened.add(name)
      }
    }
    return [...opened]
  }
  expect(openedBy(windows)).toEqual([])
  expect(openedBy((await stolenKeys()).filter((bytes) => bytes.length === 32))).toContain('secrets')
})

const stolenKeys = async () =>
  await Promise.all((await readdir(config.keyDir)).map((name) => readFile(join(config.keyDir, name))))

/** The key itself, and what the source code derives from it. */
const derived = (key: Buffer) => [
  key,
  Buffer.from(hkdfSync('sha256', key, '', 'yinxin kms root wrap v1', 32)),
  Buffer.from(hkdfSync('sha256', key, '', 'yinxin kms epoch wrap v1', 32)),
]

/** Every 32 bytes at any place that could be a key: numbers and text have zeros or repetitions, keys do not. */
function windowsOf(bytes: Buffer): Buffer[] {
  const found: Buffer[] = []
  for (let at = 0; at + 32 <= bytes.length; at++) {
    const window = bytes.subarray(at, at + 32)
    if (new Set(window).size >= 24) found.push(window)
  }
  return found
}

/** Opens whatever opens, over and over with what came out, as somebody does who has the source code. */
function attack(keys: Buffer[], files: Buffer[] = []): { opened: string[]; contracts: number } {
  const opened = new Set<string>()
  const known = new Map(keys.map((key) => [key.toString('hex'), key]))
  let fresh = [...known.values()]
  let contracts = 0
  const doors = wrappedValues(files)
  while (fresh.length > 0) {
    const tried = fresh.flatMap(derived)
    fresh = []
    const learn = (bytes: Buffer) => {
      if (known.has(bytes.toString('hex'))) return
      known.set(bytes.toString('hex'), bytes)
      if (bytes.length === 32) fresh.push(bytes)
      // Unwrapped of one layer only: another door.
      if (bytes.length === 60) doors.push({ name: 'inner', labels: innerLabels(), wrapped: bytes })
    }
    for (const door of [...doors]) {
      for (const key of [
        ...tried,
        ...(door.name === 'inner' ? [...known.values()].filter((one) => one.length === 32) : []),
      ]) {
        for (const label of door.labels) {
          const bytes = tryOpen(key, label, door.wrapped)
          if (bytes === undefined) continue
          opened.add(`${door.name} ${label}`)
          learn(bytes)
        }
      }
    }
    for (const key of fresh) contracts += readObjects(key)
  }
  return { opened: [...opened], contracts }
}

function tryOpen(key: Buffer, label: string, wrapped: Buffer): Buffer | undefined {
  try {
    return openBytes(key, label, wrapped)
  } catch {
    return undefined
  }
}

interface Door {
  name: string
  labels: string[]
  wrapped: Buffer
}

const rowsOf = (table: string) => tables.find((one) => one.table === table)?.rows ?? []
const innerLabels = () => rowsOf('keys.scope_key_wraps').map((row) => `scope|${row.party_id}|${row.scope_id}`)

/** Every wrapped value with the labels that the source code would open it under. */
function wrappedValues(files: Buffer[]): Door[] {
  const doors: Door[] = []
  for (const row of rowsOf('keys.key_versions')) {
    if (row.wrapped !== null)
      doors.push({
        name: 'epoch',
        labels: [`working key of epoch|${row.version}`],
        wrapped: row.wrapped as Buffer,
      })
  }
  for (const row of rowsOf('keys.key_store'))
    doors.push({ name: 'secrets', labels: ['secrets'], wrapped: row.secrets_key as Buffer })
  for (const row of rowsOf('keys.tenant_keys'))
    doors.push({ name: 'tenant', labels: [`tenant|${row.tenant_id}`], wrapped: row.wrapped as Buffer })
  for (const row of rowsOf('keys.signing_keys')) {
    doors.push({
      name: 'signing',
      labels: [`signing|${row.name}|${row.algorithm}|${row.key_id}`],
      wrapped: row.wrapped as Buffer,
    })
  }
  for (const row of rowsOf('keys.scope_key_wraps')) {
    doors.push({
      name: 'scope',
      labels: [`epoch|${row.epoch}|${row.scope_id}`],
      wrapped: row.wrapped as Buffer,
    })
  }
  for (const row of rowsOf('main.storage_objects')) {
    doors.push({
      name: 'object',
      labels: [`${row.tenant_id}|${row.scope_id}|${row.id}`],
      wrapped: row.wrapped_key as Buffer,
    })
  }
  for (const file of files) {
    if (file.subarray(0, 4).toString() === 'YXE2')
      doors.push({ name: 'epoch file', labels: ['epoch|1'], wrapped: file.subarray(8) })
  }
  expect(doors.length).toBeGreaterThan(8)
  return doors
}

/** How many stored objects this key decrypts. */
function readObjects(key: Buffer): number {
  let count = 0
  for (const [name, bytes] of files) {
    if (kindOf(name) !== 'object storage') continue
    for (let at = bytes.indexOf('YXO1'); at >= 0; at = bytes.indexOf('YXO1', at + 1)) {
      const head = decodeEnvelope(bytes.subarray(at))
      if (head === undefined) continue
      const row = rowsOf('main.storage_objects').find((one) => one.id === head.objectId)
      if (row === undefined) continue
      const sealed = bytes.subarray(at + envelopeBytes, at + Number(row.stored_size_bytes))
      try {
        openMessage(createSecretKey(key), `${head.tenantId}|${head.scopeId}|${head.objectId}`, sealed)
        count += 1
      } catch {
        // Another object's key.
      }
    }
  }
  return count
}

/** Every value of the length of a key, and of a short binary value its ends and what follows a nonce. */
function keyShaped(): Map<string, Buffer> {
  const found = new Map<string, Buffer>()
  const add = (bytes: Buffer) => found.set(bytes.toString('hex'), bytes)
  for (const { rows } of tables) {
    for (const value of rows.flatMap((row) => Object.values(row))) {
      if (Buffer.isBuffer(value) && value.length <= 128) {
        for (const at of [0, 12, 24, value.length - 32]) {
          if (at >= 0 && at + 32 <= value.length) add(value.subarray(at, at + 32))
        }
      }
      const text = typeof value === 'string' ? value : JSON.stringify(value ?? '')
      for (const [hex] of text.matchAll(/\b[0-9a-f]{64}\b/g)) add(Buffer.from(hex, 'hex'))
      for (const [base64] of text.matchAll(/[A-Za-z0-9+/_-]{43}=?/g)) {
        const bytes = Buffer.from(base64, 'base64')
        if (bytes.length === 32) add(bytes)
      }
    }
  }
  return found
}

/** UTF-8 and UTF-16, as it is, in hexadecimal, and in base64 at each of its three alignments. */
function spellings(plain: Buffer): Buffer[] {
  const forms = [
    plain,
    Buffer.from(plain.toString('utf8'), 'utf16le'),
    Buffer.from(plain.toString('utf8'), 'utf16le').swap16(),
  ]
  const encoded = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), plain]).toString('base64')
    // The characters at both ends depend on neighbours.
    return Buffer.from(text.slice(shift === 0 ? 0 : 4, Math.floor(((plain.length + shift) * 8) / 6) - 1))
  })
  const escaped = Buffer.from(
    JSON.stringify(plain.toString('utf8'))
      .slice(1, -1)
      .replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
  )
  return [...forms, ...encoded, escaped, Buffer.from(plain.toString('hex'))]
}

/** Every value of both dumps with the column in which it lies. */
function columns(): { place: string; bytes: Buffer }[] {
  return tables.flatMap(({ table, rows }) =>
    rows.flatMap((row) =>
      Object.entries(row).map(([column, value]) => ({
        place: `${table}.${column}`,
        bytes: Buffer.isBuffer(value)
          ? value
          : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value ?? null)),
      })),
    ),
  )
}

async function dump(database: string, url: string): Promise<Dump[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ schema: string; name: string }>(
      `select n.nspname as schema, c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'm', 'p') and n.nspname not in ('pg_catalog', 'information_schema') order by 1, 2`,
    )
    const dumps: Dump[] = []
    for (const { schema, name } of rows) {
      const all = await client.query(
        `select * from ${client.escapeIdentifier(schema)}.${client.escapeIdentifier(name)}`,
      )
      dumps.push({ table: `${database}.${name}`, rows: all.rows as Record<string, unknown>[] })
    }
    return dumps
  } finally {
    await client.end()
  }
}

/** Where the tables of a database lie, below the cluster's folder. */
async function pathsOfTables(url: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ path: string }>(
      `select pg_relation_filepath(c.oid) as path from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind = 'r' and n.nspname = 'public'`,
    )
    return rows.map(({ path }) => path)
  } finally {
    await client.end()
  }
}

/** Everything that the stopped platform left, sorted by what kind of place it is. */
async function placesOnDisk(): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>()
  const { dataDir, keysDir } = config.databaseCopies.folders
  for (const [cluster, root] of [
    ['main', dataDir],
    ['keys', keysDir],
  ] as const) {
    for (const [path, bytes] of await readAll('', root)) {
      const archive = /^(db-recovery\/)?db-archive\//.exec(path)
      const kind = archive
        ? path.includes('/wal/')
          ? `${cluster} log archive`
          : `${cluster} base backup`
        : path.startsWith('db-recovery/db-copies/')
          ? `${cluster} copy`
          : /^(keys-p1\/)?postgres\//.test(path)
            ? `${cluster} cluster`
            : path.startsWith('storage/')
              ? 'object storage'
              : 'other files'
      if (archive && path.endsWith('.tar.zst')) {
        const stream = createReadStream(join(root, path)).pipe(createZstdDecompress())
        for await (const entry of readTar(stream)) {
          const parts: Buffer[] = []
          for await (const part of entry.content) parts.push(part)
          if (!entry.isFolder) found.set(`${kind}: ${path}/${entry.path}`, Buffer.concat(parts))
        }
      } else if (archive && path.endsWith('.zst')) {
        found.set(`${kind}: ${path}`, await readSegment(join(root, path)))
      } else found.set(`${kind}: ${path}`, bytes)
    }
  }
  return found
}

async function readAll(kind: string, folder: string): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>()
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const name = path.slice(folder.length + 1)
    found.set(kind === '' ? name : `${kind}: ${name}`, await readFile(path))
  }
  return found
}
