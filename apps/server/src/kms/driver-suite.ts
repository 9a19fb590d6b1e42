import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startSoftHsm } from '../../../../packages/signers/testing/softhsm.ts'
import { startVaultSimulator } from '../../../../testing/fakes/vault/vault.ts'
import type { KeyDriver } from './driver.ts'
import { createFileDriver } from './file-driver.ts'
import { openKeyFolder } from './key-folder.ts'
import { openPkcs11Driver } from './pkcs11-driver.ts'
import { openVaultDriver } from './vault-driver.ts'

/** One place where keys are kept, for tests: opens drivers on it, as different processes would. */
export interface DriverStage {
  kind: KeyDriver['kind']
  open(): Promise<KeyDriver>
  remove(): Promise<void>
}

/** A fresh key folder, a fresh token in SoftHSM2, a fresh simulator of Vault. */
export const driverStages: Record<KeyDriver['kind'], () => Promise<DriverStage>> = {
  async file() {
    const folder = await mkdtemp(join(tmpdir(), 'yinxin-driver-'))
    return {
      kind: 'file',
      open: async () => createFileDriver(await openKeyFolder(join(folder, 'keys'))),
      remove: () => rm(folder, { recursive: true, force: true }),
    }
  },
  async pkcs11() {
    if (hsm === undefined) throw new Error('SoftHSM2 is missing')
    // A module that is open does not see tokens made since, so some are always made ahead.
    const { module } = hsm
    while (spare.length < 6) {
      tokens += 1
      spare.push(`kms ${tokens}`)
      hsm.newToken(`kms ${tokens}`, '246810')
    }
    const tokenLabel = spare.shift() ?? ''
    return {
      kind: 'pkcs11',
      open: () => openPkcs11Driver({ module, tokenLabel, pin: '246810' }),
      remove: async () => undefined,
    }
  },
  async vault() {
    const simulator = await startVaultSimulator()
    const read = async () => simulator.token
    return {
      kind: 'vault',
      open: () => openVaultDriver({ url: simulator.url, auth: { kind: 'token', read }, retryMs: [5, 5, 5] }),
      remove: () => simulator.close(),
    }
  },
}

let tokens = 0
const spare: string[] = []
/** Undefined, loudly, where SoftHSM2 is missing. Removed with {@link removeHsm}. */
export const hsm = startSoftHsm()
export const removeHsm = () => hsm?.remove()
