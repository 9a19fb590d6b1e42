import { readFile } from 'node:fs/promises'
import type { KeyDriverSetting } from '#src/config.ts'
import type { KeyDriver } from './driver.ts'
import { refuse } from './errors.ts'
import { createFileDriver } from './file-driver.ts'
import { openKeyFolder, requirePrivate } from './key-folder.ts'
import { openPkcs11Driver } from './pkcs11-driver.ts'
import { openVaultDriver } from './vault-driver.ts'

/** Opens the driver that the settings ask for. @throws Refusal that names what is missing or wrong */
export async function openKeyDriver(
  setting: KeyDriverSetting,
  keyDir: string,
  mayBeSimulated = true,
): Promise<KeyDriver> {
  if (setting.kind === 'pkcs11') {
    const pin = (await readSecret(setting.pinFile)).trim()
    const { module, token, prefix } = setting
    return await openPkcs11Driver({ module, tokenLabel: token, pin, prefix })
  }
  if (setting.kind === 'vault') {
    const { auth, url, mount, prefix, namespace } = setting
    const driver = await openVaultDriver({
      url,
      mount,
      prefix,
      namespace,
      auth:
        'tokenFile' in auth
          ? { kind: 'token', read: () => readSecret(auth.tokenFile) }
          : { kind: 'approle', roleId: auth.roleId, readSecretId: () => readSecret(auth.secretIdFile) },
    })
    if (driver.simulated && !mayBeSimulated) throw refuse('key_driver_simulated', { place: driver.place })
    return driver
  }
  return createFileDriver(await openKeyFolder(keyDir))
}

/** A group may read it, because agents write it so; everybody may not. */
async function readSecret(path: string): Promise<string> {
  await requirePrivate(path, 0o007, 'any-owner')
  return await readFile(path, 'utf8')
}
