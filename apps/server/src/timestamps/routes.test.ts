import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  buildTimestampRequest,
  parseCertificate,
  parseCrl,
  parsePem,
  parseTimestampResponse,
  verifyCrl,
  verifyTimestampToken,
} from '@yinxin/pki'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createCa } from '#src/ca/ca.ts'
import { addCaRoutes } from '#src/ca/routes.ts'
import { systemClock as clock } from '#src/clock.ts'
import { type Db, openDb } from '#src/db/db.ts'
import { createHttp, type Http } from '#src/http/http.ts'
import { createKms, type Kms } from '#src/kms/kms.ts'
import { createLog } from '#src/log.ts'
import { createTestDatabase, type TestDatabase } from '../../../../testing/database.ts'
import { addTimestampRoutes } from './routes.ts'
import { createTimestamps } from './timestamps.ts'

const log = createLog('silent')
let database: TestDatabase
let db: Db
let keysDb: Db
let kms: Kms
let http: Http
let folder: string
let base: string

beforeAll(async () => {
  database = await createTestDatabase()
  db = openDb({ url: database.url })
  keysDb = openDb({ url: database.keysUrl })
  folder = await mkdtemp(join(tmpdir(), 'yinxin-trust-'))
  kms = await createKms({ keysDb, clock, keyDir: join(folder, 'keys') })
  const ca = await createCa({ db, clock, kms, baseUrl: 'http://127.0.0.1' })
  http = await createHttp({
    baseUrl: 'http://127.0.0.1',
    db,
    clock,
    log,
    authentication: { session: async () => null, appByAppId: async () => null },
    sealer: {
      seal: async (label, bytes) => kms.sealSecret(label, bytes),
      open: async (label, sealed) => kms.openSecret(label, sealed),
    },
  })
  addCaRoutes({ http, ca })
  addTimestampRoutes({ http, timestamps: createTimestamps({ ca, clock, log }) })
  base = `http://127.0.0.1:${await http.listen({ host: '127.0.0.1', port: 0 })}`
})
afterAll(async () => {
  await http.close()
  kms.close()
  await Promise.all([db.close(), keysDb.close()])
  await database.drop()
  await rm(folder, { recursive: true, force: true })
})

const ask = (body: Uint8Array, contentType = 'application/timestamp-query') =>
  fetch(`${base}/tsa`, {
    method: 'POST',
    headers: { 'content-type': contentType },
    body: new Uint8Array(body),
  })
const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer())

describe('the public side of trust', () => {
  test('gives what a stranger needs to verify a timestamp: root, issuer, revocation list, token', async () => {
    const [root, issuing] = await Promise.all(
      ['root', 'issuing'].map(async (name) => {
        const pem = await (await fetch(`${base}/ca/${name}.pem`)).text()
        const cer = await fetch(`${base}/ca/${name}.cer`)
        expect(cer.headers.get('content-type')).toBe('application/pkix-cert')
        const [der] = parsePem(pem, 'CERTIFICATE')
        expect(Buffer.from(await bytesOf(cer)).equals(der!)).toBe(true)
        return parseCertificate(der!)
      }),
    )
    const list = await fetch(`${base}/ca/issuing.crl`)
    expect(list.headers.get('content-type')).toBe('application/pkix-crl')
    expect(verifyCrl(parseCrl(await bytesOf(list)), issuing!)).toBe(true)

    const [digest, nonce] = [randomBytes(32), Buffer.concat([Buffer.of(0x11), randomBytes(8)])]
    const answer = await ask(buildTimestampRequest({ digest, digestAlgorithm: 'sha256', nonce }))
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('application/timestamp-reply')
    const { token } = parseTimestampResponse(await bytesOf(answer))
    const verified = verifyTimestampToken(
      token!,
      { digest, digestAlgorithm: 'sha256' },
      { nonce, anchors: [root!] },
    )
    expect(verified.problems.filter((problem) => problem.severity === 'error')).toEqual([])
    expect(verified.ok).toBe(true)
  })

  test('refuses what is no request: in the protocol when it can, by status when it must', async () => {
    const rubbish = await ask(Buffer.from('rubbish'))
    expect(rubbish.status).toBe(200)
    expect(parseTimestampResponse(await bytesOf(rubbish)).failures).toEqual(['badDataFormat'])
    expect((await ask(Buffer.alloc(5_000))).status).toBe(413)
    expect((await ask(Buffer.from('x'), 'text/plain')).status).toBe(415)
  })
})
