/** The platform as an operator runs it, durable, for the bench to drive from another process. Prints its URL. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig, removeInstallation, startServer } from '@yinxin/server'

const folder = await mkdtemp(join(tmpdir(), 'yinxin-bench-'))
const config = readConfig({
  YINXIN_MODE: 'sandbox',
  YINXIN_PORT: '0',
  YINXIN_DATA_DIR: join(folder, 'data'),
  YINXIN_KEY_DIR: join(folder, 'keys'),
  YINXIN_LOG_LEVEL: 'error',
  YINXIN_TRUST_PROXY: '127.0.0.1',
})
const server = await startServer(config)
process.stdout.write(`${server.url}\n`)
process.stdin.resume()
process.stdin.on('end', async () => {
  await server.stop()
  await removeInstallation(config)
  await rm(folder, { recursive: true, force: true })
  process.exit(0)
})
