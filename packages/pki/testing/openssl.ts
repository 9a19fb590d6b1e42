/** The outside judge of this package: the openssl command. For tests only. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Whether openssl is here. In CI a missing judge is a failure, elsewhere a loud skip. */
export function opensslIsHere(): boolean {
  const { status } = spawnSync('openssl', ['version'])
  if (status === 0) return true
  if (process.env.CI === 'true')
    throw new Error('openssl is not installed, and CI=true allows no skipped judge')
  console.warn('SKIPPED: openssl is not installed, nothing was cross-checked')
  return false
}

export interface Bench {
  /** Writes a file and returns its path. */
  put(name: string, content: Uint8Array | string): string
  path(name: string): string
  read(name: string): Uint8Array
  /** Runs openssl; throws with its output unless it succeeds. Returns both outputs. */
  openssl(...args: readonly string[]): string
  /** Runs openssl and returns its exit status and outputs. */
  tryOpenssl(...args: readonly string[]): { status: number | null; output: string }
  close(): void
}

/** A folder of its own in which openssl is run. */
export function openBench(): Bench {
  const folder = mkdtempSync(join(tmpdir(), 'pki-'))
  function tryOpenssl(...args: readonly string[]) {
    const { status, stdout, stderr } = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' })
    return { status, output: `${stdout}${stderr}` }
  }
  return {
    put(name, content) {
      writeFileSync(join(folder, name), content)
      return join(folder, name)
    },
    path: (name) => join(folder, name),
    read: (name) => new Uint8Array(readFileSync(join(folder, name))),
    openssl(...args) {
      const { status, output } = tryOpenssl(...args)
      if (status !== 0) throw new Error(`openssl ${args.join(' ')} ended with ${status}:\n${output}`)
      return output
    },
    tryOpenssl,
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}
