/** Runs the server with the roles asked for: `node apps/server/src/main.ts --role=api,worker`. */
import { parseArgs } from 'node:util'
import { buildWeb, ConfigError, type Role, readConfig, serveUntilSignal } from './server.ts'

const ROLES: readonly Role[] = ['api', 'worker', 'scheduler']

const { values } = parseArgs({ options: { role: { type: 'string', default: ROLES.join(',') } } })
try {
  const config = readConfig(undefined, readRoles(values.role))
  // Whoever answers requests answers with the pages too.
  const pages = config.roles.includes('api') ? { webDir: await buildWeb() } : {}
  await serveUntilSignal(config, pages)
  // A job that was handed back to others must not keep this process.
  setTimeout(() => process.exit(), 2000).unref()
} catch (error) {
  process.stderr.write(
    `${error instanceof ConfigError ? error.message : error instanceof Error ? error.stack : error}\n`,
  )
  process.exitCode = 1
}

function readRoles(text: string): Role[] {
  const roles = text.split(',').map((part) => part.trim())
  const known = roles.filter((role): role is Role => ROLES.some((candidate) => candidate === role))
  if (known.length !== roles.length || known.length === 0) {
    throw new ConfigError([`--role takes ${ROLES.join(', ')}, separated by commas`])
  }
  if (known.includes('scheduler') && !known.includes('worker')) {
    throw new ConfigError(['the role scheduler needs the role worker in the same process'])
  }
  return known
}
