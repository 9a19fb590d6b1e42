import { mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startVaultSimulator, type VaultSimulator } from '../../../../testing/fakes/vault/vault.ts'
import type { KeyDriver } from './driver.ts'
import { type DriverStage, driverStages, hsm, removeHsm } from './driver-suite.ts'
import { createFileDriver } from './file-driver.ts'
import { openKeyFolder } from './key-folder.ts'
import { openPkcs11Driver } from './pkcs11-driver.ts'
import { openVaultDriver } from './vault-driver.ts'

afterAll(removeHsm)
const code = (wanted: string) => expect.objectContaining({ code: wanted })

describe.each(['file', 'pkcs11', 'vault'] as const)('the driver %s', (kind) => {
  let stage: DriverStage
  let driver: KeyDriver
  beforeEach(async (context) => {
    if (kind === 'pkcs11' && hsm === undefined) return context.skip()
    stage = await driverStages[kind]()
    driver = await stage.open()
    await driver.rotate('root', 1)
    await driver.rotate('epoch', 1)
  })
  afterEach(async () => {
    await driver?.close()
    await stage?.remove()
  })

  test.each(['root', 'epoch'] as const)(
    'wraps under a %s key and opens in its context only',
    async (family) => {
      const secret = Buffer.from('a key of 32 bytes, more or less!')
      const wrapped = await driver.wrap(family, 1, 'tenant|1', secret)
      expect(wrapped.includes(secret)).toBe(false)
      expect(await driver.wrap(family, 1, 'tenant|1', secret)).not.toEqual(wrapped)
      expect(await driver.unwrap(family, 1, 'tenant|1', wrapped)).toEqual(secret)
      await expect(driver.unwrap(family, 1, 'tenant|2', wrapped)).rejects.toEqual(
        code('sealed_value_damaged'),
      )
      const changed = Buffer.from(wrapped)
      // The last byte but three: in base64 it is certain to change the content.
      changed[changed.length - 4] = changed[changed.length - 4] === 0x41 ? 0x42 : 0x41
      await expect(driver.unwrap(family, 1, 'tenant|1', changed)).rejects.toEqual(
        code('sealed_value_damaged'),
      )
      const short = wrapped.subarray(0, 9)
      await expect(driver.unwrap(family, 1, 'tenant|1', short)).rejects.toEqual(code('sealed_value_damaged'))
    },
  )

  test('wraps 1,300 bytes, as many as a signing key has', async () => {
    const pkcs8 = Buffer.alloc(1_300, 7)
    expect(await driver.unwrap('root', 1, 'x', await driver.wrap('root', 1, 'x', pkcs8))).toEqual(pkcs8)
  })

  test('keeps root and epoch keys apart, and versions too', async () => {
    await driver.rotate('epoch', 2)
    const wrapped = await driver.wrap('epoch', 1, 'x', Buffer.from('one'))
    expect(await driver.unwrap('epoch', 1, 'x', wrapped)).toEqual(Buffer.from('one'))
    await expect(driver.unwrap('epoch', 2, 'x', wrapped)).rejects.toEqual(code('sealed_value_damaged'))
    await expect(
      driver.unwrap('root', 1, 'x', await driver.wrap('epoch', 1, 'x', Buffer.from('one'))),
    ).rejects.toEqual(code('sealed_value_damaged'))
    expect(await driver.versions('epoch')).toEqual([1, 2])
    expect(await driver.versions('root')).toEqual([1])
  })

  test('makes a version once, also for two processes, and both use it', async () => {
    const other = await stage.open()
    // One after the other: the room holds a lock in the keys database meanwhile.
    for (const one of [driver, other, driver]) await one.rotate('epoch', 2)
    expect(await other.versions('epoch')).toEqual([1, 2])
    const wrapped = await driver.wrap('epoch', 2, 'x', Buffer.from('shared'))
    expect(await other.unwrap('epoch', 2, 'x', wrapped)).toEqual(Buffer.from('shared'))
    await other.close()
  })

  test('destroys a version for good, in every process, and says so twice', async () => {
    const other = await stage.open()
    await driver.rotate('epoch', 2)
    const [dead, alive] = [
      await driver.wrap('epoch', 1, 'x', Buffer.from('dead')),
      await driver.wrap('epoch', 2, 'x', Buffer.from('alive')),
    ]
    const receipt = await driver.destroyNow('epoch', 1)
    expect(receipt).toMatchObject({ driver: kind, wasPresent: true })
    expect(await driver.destroyNow('epoch', 1)).toMatchObject({ wasPresent: false })
    for (const one of [driver, other]) {
      await expect(one.unwrap('epoch', 1, 'x', dead)).rejects.toEqual(code('epoch_key_missing'))
      await expect(one.wrap('epoch', 1, 'x', Buffer.from('new'))).rejects.toEqual(code('epoch_key_missing'))
      expect(await one.unwrap('epoch', 2, 'x', alive)).toEqual(Buffer.from('alive'))
      expect(await one.versions('epoch')).toEqual([2])
    }
    await other.close()
  })

  test('attests what it keeps', async () => {
    const attested = await driver.attest('epoch', 1)
    expect(attested).toMatchObject({ driver: kind, algorithm: 'AES-256-GCM', extractable: kind === 'file' })
    expect(attested.residual.length).toBeGreaterThan(40)
    expect(attested.simulated).toBe(kind === 'vault' ? true : undefined)
    await expect(driver.attest('epoch', 9)).rejects.toEqual(code('epoch_key_missing'))
    await expect(driver.attest('root', 9)).rejects.toEqual(code('root_key_missing'))
  })
})

test('the key folder keeps nothing of a destroyed key, and a destruction cut short is ended by the next call', async () => {
  const path = join(await mkdtemp(join(tmpdir(), 'yinxin-driver-')), 'keys')
  const driver = createFileDriver(await openKeyFolder(path))
  await driver.rotate('root', 1)
  await driver.rotate('epoch', 1)
  // As a crash between the two names leaves it.
  await rename(join(path, 'epoch-000001.key'), join(path, '.epoch-000001.key.dying'))
  expect(await driver.versions('epoch')).toEqual([])
  expect(await driver.destroyNow('epoch', 1)).toMatchObject({ wasPresent: true })
  expect(await readdir(path)).toEqual(['root.key'])
  await rm(join(path, '..'), { recursive: true })
})

test.skipIf(hsm === undefined)('a wrong PIN and a missing token are refusals of their own', async () => {
  const stage = await driverStages.pkcs11()
  await (await stage.open()).close()
  const { module } = hsm!
  hsm!.newToken('kms wrong pin', '246810')
  await expect(openPkcs11Driver({ module, tokenLabel: 'kms wrong pin', pin: '111111' })).rejects.toEqual(
    code('key_driver_forbidden'),
  )
  await expect(openPkcs11Driver({ module, tokenLabel: 'no such token', pin: '1' })).rejects.toEqual(
    code('key_driver_unreachable'),
  )
  await expect(openPkcs11Driver({ module: '/no/module.so', tokenLabel: 'x', pin: '1' })).rejects.toEqual(
    code('key_driver_unreachable'),
  )
})

describe('the driver vault', () => {
  let simulator: VaultSimulator
  const open = (more: Partial<Parameters<typeof openVaultDriver>[0]> = {}) =>
    openVaultDriver({
      url: simulator.url,
      auth: { kind: 'token', read: async () => `${simulator.token}\n` },
      timeoutMs: 300,
      retryMs: [5, 5],
      ...more,
    })
  beforeEach(async () => {
    simulator = await startVaultSimulator()
  })
  afterEach(() => simulator.close())

  test('names a sealed service, a standby, a refused token and one that does not answer', async () => {
    const driver = await open()
    await driver.rotate('root', 1)
    for (const [state, refusal] of [
      ['sealed', 'key_driver_sealed'],
      ['standby', 'key_driver_sealed'],
      ['broken', 'key_driver_unreachable'],
      ['silent', 'key_driver_unreachable'],
    ] as const) {
      simulator.state = state
      await expect(driver.wrap('root', 1, 'x', Buffer.from('x'))).rejects.toEqual(code(refusal))
      await expect(open()).rejects.toEqual(code(refusal))
    }
    simulator.state = 'ready'
    const stranger = await open({ auth: { kind: 'token', read: async () => 'hvs.wrong' } })
    await expect(stranger.versions('root')).rejects.toEqual(code('key_driver_forbidden'))
    await expect(open({ url: 'http://127.0.0.1:9' })).rejects.toEqual(code('key_driver_unreachable'))
  })

  test('loses an answer and neither a key nor its count', async () => {
    const driver = await open()
    simulator.loseAnswers = 1
    await driver.rotate('epoch', 1)
    simulator.loseAnswers = 2
    await driver.rotate('epoch', 2)
    const wrapped = await driver.wrap('epoch', 2, 'x', Buffer.from('kept'))
    simulator.loseAnswers = 1
    expect(await driver.unwrap('epoch', 2, 'x', wrapped)).toEqual(Buffer.from('kept'))
    simulator.loseAnswers = 2
    await driver.destroyNow('epoch', 1)
    expect((await driver.versions('epoch'))[0]).toBe(2)
  })

  test('logs in by AppRole, and again when its token has run out', async () => {
    const auth = {
      kind: 'approle',
      roleId: simulator.roleId,
      readSecretId: async () => simulator.secretId,
    } as const
    const driver = await open({ auth })
    await driver.rotate('root', 1)
    const wrapped = await driver.wrap('root', 1, 'x', Buffer.from('kept'))
    simulator.revokeLogins()
    expect(await driver.unwrap('root', 1, 'x', wrapped)).toEqual(Buffer.from('kept'))
    expect(simulator.calls.filter((call) => call.includes('approle'))).toHaveLength(2)
    const wrong = await open({ auth: { ...auth, readSecretId: async () => 'wrong' } })
    await expect(wrong.versions('root')).rejects.toEqual(code('key_driver_forbidden'))
  })
})
