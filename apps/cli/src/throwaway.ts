/** An installation of its own in a temporary folder, gone afterwards: for the sandbox and the demo. */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Config, readConfig, removeInstallation } from '@yinxin/server'

export interface Throwaway {
  config: Config
  remove(): Promise<void>
}

/** Settings of the shell do not count here, but for how much is logged. */
export async function createThrowaway(name: string): Promise<Throwaway> {
  const folder = await mkdtemp(join(tmpdir(), `yinxin-${name}-`))
  // PostgreSQL, which does not run as root, must be able to pass; the folders inside stay closed to others.
  await chmod(folder, 0o711)
  const config = readConfig({
    YINXIN_MODE: 'sandbox',
    YINXIN_PORT: '0',
    YINXIN_DATA_DIR: join(folder, 'data'),
    YINXIN_KEY_DIR: join(folder, 'keys'),
    YINXIN_LOG_LEVEL: process.env.YINXIN_LOG_LEVEL ?? 'error',
  })
  return {
    config,
    async remove() {
      await removeInstallation(config)
      await rm(folder, { recursive: true, force: true })
    },
  }
}
