/**
 * Starts the embedded PostgreSQL of the folder given, says where it listens, and holds it until it is killed.
 * For tests that kill a server and start the next one.
 */
import { startPostgres } from '../../apps/server/src/db/postgres.ts'

const dataDir = process.argv[2]
if (dataDir === undefined) throw new Error('usage: hold-postgres.ts DATA_DIR')
try {
  const postgres = await startPostgres({ dataDir, durable: false })
  const { port, password, recovered } = postgres
  process.stdout.write(`${JSON.stringify({ port, password, recovered, pid: postgres.pid() })}\n`)
  process.once('SIGTERM', () => void postgres.stop().then(() => process.exit(0)))
  setInterval(() => undefined, 60_000)
} catch (error) {
  process.stdout.write(`${JSON.stringify({ error: String(error) })}\n`)
  process.exitCode = 1
}
