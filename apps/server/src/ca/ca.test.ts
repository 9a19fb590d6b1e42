import { execFileSync } from 'node:child_process'
import { createPublicKey, randomUUID, verify } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nameValue, parseCertificate, parseCrl, toPem, validatePath } from '@yinxin/pki'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest'
import { manualClock } from '#src/clock.ts'
import { type Db, openDb } from '#src/db/db.ts'
import { createKms, type Kms } from '#src/kms/kms.ts'
import { createTestDatabase, type TestDatabase } from '../../../../testing/database.ts'
import { type Ca, createCa, type EventIdentity } from './ca.ts'

// Real time: openssl judges by the clock on the wall.
const clock = manualClock(new Date())
const baseUrl = 'https://sign.example.com'
let database: TestDatabase
let db: Db
let keysDb: Db
let root: string
let kms: Kms
let ca: Ca

beforeAll(async () => {
  database = await createTestDatabase()
  db = openDb({ url: database.url })
  keysDb = openDb({ url: database.keysUrl })
  root = await mkdtemp(join(tmpdir(), 'yinxin-ca-'))
  kms = await createKms({ keysDb, clock, keyDir: join(root, 'keys') })
  ca = await open()
})
afterAll(async () => {
  kms.close()
  await db.close()
  await keysDb.close()
  await database.drop()
  await rm(root, { recursive: true, force: true })
})

const open = (organization?: string) =>
  createCa({ db, clock, kms, baseUrl, ...(organization === undefined ? {} : { organization }) })

async function query<T>(text: string, values: unknown[] = []): Promise<T[]> {
  const client = new pg.Client({ connectionString: database.ownerUrl })
  await client.connect()
  try {
    return (await client.query(text, values)).rows as T[]
  } finally {
    await client.end()
  }
}

const person: EventIdentity = { kind: 'person', name: '张三', identifier: '110***********002X' }
const corp: EventIdentity = {
  kind: 'corp',
  name: '示例科技有限公司',
  identifier: '91350100M000100Y43',
  memberName: '李四',
}

async function issue(identity: EventIdentity = person) {
  const key = await kms.eventSigner('ecdsa-p256-sha256')
  const actId = randomUUID()
  const request = {
    actId,
    taskId: randomUUID(),
    tenantId: randomUUID(),
    identity,
    spki: key.signer.spki,
    at: clock.now(),
  }
  const issued = ca.issue(await db.work((tx) => ca.intend(tx, request)))
  await db.work((tx) => ca.recordIssued(tx, issued))
  return { ...issued, actId, key, certificate: parseCertificate(issued.certificateDer) }
}

/** openssl as a judge; with CI=true its absence is a failure. */
function openssl(context: TestContext, args: string[]): string {
  try {
    return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || process.env.CI === 'true') throw error
    console.warn('openssl is not installed: this judge was skipped')
    return context.skip()
  }
}

async function files(contents: Record<string, string | Uint8Array>): Promise<Record<string, string>> {
  const folder = await mkdtemp(join(root, 'judge-'))
  const paths: Record<string, string> = {}
  for (const [name, content] of Object.entries(contents)) {
    paths[name] = join(folder, name)
    await writeFile(paths[name], content)
  }
  return paths
}

describe('founding', () => {
  test('says in every name that it is a development CA', () => {
    expect(ca.isDevelopment).toBe(true)
    for (const der of [...ca.chain(), ca.anchors().tsaDer, ca.platformSigner().certificateDer]) {
      const name = nameValue(parseCertificate(der).subject, 'CN')
      expect(name).toMatch(/^Yinxin Development .*（开发测试.*）$/)
    }
  })

  test('happens once: after a restart, and for two processes at once, it is the same authority', async () => {
    const others = await Promise.all([open(), open()])
    for (const other of others) expect(other.anchors()).toEqual(ca.anchors())
    expect(await query('select 1 from ca_certificates')).toHaveLength(4)
  })

  test('cannot be turned into another authority by a setting', async () => {
    await expect(open('示例认证中心')).rejects.toMatchObject({ code: 'ca_was_founded_otherwise' })
  })

  test('notices keys that belong to another installation', async () => {
    const other = await createTestDatabase()
    const otherKeys = openDb({ url: other.keysUrl })
    const otherKms = await createKms({ keysDb: otherKeys, clock, keyDir: join(root, 'other-keys') })
    await expect(createCa({ db, clock, kms: otherKms, baseUrl })).rejects.toMatchObject({
      code: 'ca_keys_do_not_fit',
    })
    otherKms.close()
    await otherKeys.close()
    await other.drop()
  })

  test('under an organisation it is no development CA', async () => {
    const other = await createTestDatabase()
    const [otherDb, otherKeys] = [openDb({ url: other.url }), openDb({ url: other.keysUrl })]
    const otherKms = await createKms({ keysDb: otherKeys, clock, keyDir: join(root, 'organisation-keys') })
    const operated = await createCa({
      db: otherDb,
      clock,
      kms: otherKms,
      baseUrl,
      organization: '示例认证中心',
    })
    expect(operated.isDevelopment).toBe(false)
    expect(parseCertificate(operated.anchors().rootDer).subject.text).toBe(
      'C=CN, O=示例认证中心, CN=示例认证中心 Root CA',
    )
    otherKms.close()
    await Promise.all([otherDb.close(), otherKeys.close()])
    await other.drop()
  })
})

describe('an event certificate', () => {
  test('carries the verified person, without the number, and belongs to the key of the act', async () => {
    const { certificate, key } = await issue()
    expect(certificate.subject.text).toBe('C=CN, CN=张三, serialNumber=110-----------002X')
    expect(Buffer.from(certificate.spki).equals(key.signer.spki)).toBe(true)
    expect(certificate.notBefore.getTime()).toBeLessThan(clock.now().getTime())
    expect(certificate.crlUrls).toEqual([`${baseUrl}/ca/issuing.crl`])
  })

  test('carries the company and who acted for it', async () => {
    expect((await issue(corp)).certificate.subject.text).toBe(
      'C=CN, O=示例科技有限公司, organizationIdentifier=NTRCN-91350100M000100Y43, OU=经办人 李四, CN=示例科技有限公司',
    )
    const { memberName: _, ...unattended } = corp
    expect((await issue(unattended)).certificate.subject.text).not.toContain('OU=')
  })

  test('is valid up to the root, here and for openssl, and so is what it signs', async (context) => {
    const { certificate, certificateDer, chain, key } = await issue(corp)
    const anchors = [parseCertificate(ca.anchors().rootDer)]
    const path = validatePath({
      leaf: certificate,
      intermediates: chain.map((der) => parseCertificate(der)),
      anchors,
      at: clock.now(),
      purpose: 'signing',
    })
    expect(path.problems).toEqual([])
    expect(path.ok).toBe(true)
    const data = Buffer.from('content')
    expect(
      verify('sha256', data, createPublicKey(toPem(certificateDer, 'CERTIFICATE')), key.signer.sign(data)),
    ).toBe(true)
    const paths = await files({
      leaf: toPem(certificateDer, 'CERTIFICATE'),
      issuing: toPem(ca.anchors().issuingDer, 'CERTIFICATE'),
      root: toPem(ca.anchors().rootDer, 'CERTIFICATE'),
      crl: toPem(await ca.crl(), 'X509 CRL'),
    })
    const verified = openssl(context, [
      'verify',
      '-x509_strict',
      '-purpose',
      'smimesign',
      '-crl_check',
      '-CRLfile',
      paths.crl!,
      '-CAfile',
      paths.root!,
      '-untrusted',
      paths.issuing!,
      paths.leaf!,
    ])
    expect(verified).toContain(': OK')
  })

  test('stands in the register, its intent first', async () => {
    const { serialHex, actId, certificateDer } = await issue(corp)
    const [row] = await query<{ act_id: string; subject: string; certificate: Buffer; ordered: boolean }>(
      `select act_id, subject, certificate, intended_at <= issued_at as ordered
       from certificate_intents join certificates_issued using (serial) where serial = $1`,
      [serialHex],
    )
    expect(row).toMatchObject({ act_id: actId, ordered: true })
    expect(row?.subject).toContain('CN=示例科技有限公司')
    expect(row?.certificate.equals(certificateDer)).toBe(true)
    await expect(query('delete from certificates_issued')).rejects.toThrow()
    await expect(query(`update certificate_intents set subject = 'x'`)).rejects.toThrow()
  })

  test('with a name that does not fit is refused before the key signs; the intent stays as a witness', async () => {
    const before = await query('select 1 from certificates_issued')
    for (const name of ['名'.repeat(65), '']) {
      await expect(issue({ kind: 'person', name })).rejects.toMatchObject({
        code: 'certificate_name_unfit',
        kind: 'invalid',
      })
    }
    expect(await query('select 1 from certificates_issued')).toHaveLength(before.length)
    const orphans = await query(
      'select 1 from certificate_intents left join certificates_issued using (serial) where certificate is null',
    )
    expect(orphans).toHaveLength(2)
  })

  test('never carries a full identity number', async () => {
    await expect(issue({ kind: 'person', name: '张三', identifier: '11010519491231002X' })).rejects.toThrow(
      /full identity number/,
    )
  })

  test('a hundred at once have a hundred serial numbers', async () => {
    const issued = await Promise.all(Array.from({ length: 100 }, () => issue()))
    expect(new Set(issued.map((one) => one.serialHex)).size).toBe(100)
  })
})

describe('the revocation list', () => {
  test('is the same until something is revoked, and then the next number lists it', async (context) => {
    const { serialHex, certificateDer } = await issue()
    const first = await ca.crl()
    expect(Buffer.from(await ca.crl()).equals(first)).toBe(true)
    await ca.revoke(serialHex.toUpperCase(), 'privilegeWithdrawn')
    await ca.revoke(serialHex, 'superseded')
    const second = await ca.crl()
    const [one, two] = [parseCrl(first), parseCrl(second)]
    expect(two.number).toBe((one.number ?? 0n) + 1n)
    expect(two.revoked.get(serialHex)).toMatchObject({ reason: 'privilegeWithdrawn' })
    const paths = await files({
      leaf: toPem(certificateDer, 'CERTIFICATE'),
      issuing: toPem(ca.anchors().issuingDer, 'CERTIFICATE'),
      root: toPem(ca.anchors().rootDer, 'CERTIFICATE'),
      crl: toPem(second, 'X509 CRL'),
    })
    expect(() =>
      openssl(context, [
        'verify',
        '-crl_check',
        '-CRLfile',
        paths.crl!,
        '-CAfile',
        paths.root!,
        '-untrusted',
        paths.issuing!,
        paths.leaf!,
      ]),
    ).toThrow(/certificate revoked/)
  })

  test('is renewed after a day, and two processes make one list', async () => {
    const before = parseCrl(await ca.crl())
    clock.advance(25 * 60 * 60_000)
    const other = await open()
    const both = (await Promise.all([ca.crl(), other.crl()])).map((der) => parseCrl(der).number)
    expect(both).toEqual([(before.number ?? 0n) + 1n, (before.number ?? 0n) + 1n])
    clock.advance(-25 * 60 * 60_000)
  })

  test('refuses a serial number that nobody issued', async () => {
    await expect(ca.revoke('0'.repeat(32), 'unspecified')).rejects.toMatchObject({
      code: 'certificate_not_found',
    })
  })
})
