/** A SoftHSM2 with its own folder of tokens, for tests. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const places = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib64/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
]

export interface SoftHsm {
  readonly module: string
  /** For child processes; it is set in this one already. */
  readonly env: Readonly<Record<string, string>>
  newToken(label: string, pin: string): void
  remove(): void
}

/** Undefined, loudly, where SoftHSM2 is not installed; with CI=true that is a failure. */
export function startSoftHsm(): SoftHsm | undefined {
  const module = places.find((path) => existsSync(path))
  if (module === undefined || spawnSync('softhsm2-util', ['--version']).error !== undefined) {
    if (process.env.CI === 'true') throw new Error('SoftHSM2 is missing')
    console.warn('SKIPPED: SoftHSM2 is not installed')
    return undefined
  }
  const folder = mkdtempSync(join(tmpdir(), 'yinxin-softhsm-'))
  mkdirSync(join(folder, 'tokens'))
  const config = join(folder, 'softhsm2.conf')
  writeFileSync(
    config,
    `directories.tokendir = ${join(folder, 'tokens')}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n`,
  )
  // The module reads it from the environment of its process when it is initialised.
  process.env.SOFTHSM2_CONF = config
  return {
    module,
    env: { SOFTHSM2_CONF: config },
    newToken(label, pin) {
      const args = ['--init-token', '--free', '--label', label, '--pin', pin, '--so-pin', '87654321']
      const { status, stderr } = spawnSync('softhsm2-util', args, { encoding: 'utf8' })
      if (status !== 0) throw new Error(`softhsm2-util: ${stderr}`)
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
