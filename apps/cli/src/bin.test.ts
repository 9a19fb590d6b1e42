import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { expect, test } from 'vitest'
import { runCommand } from '../../../testing/children/run-command.ts'

const BIN = join(import.meta.dirname, '../bin/yinxin.js')

/** A Node of this machine that cannot run the sources by itself, if there is one. */
function olderNode(): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'node'))
    .filter((path) => existsSync(path))
    .find((path) => {
      const [, major = 0, minor = 0] =
        /^v(\d+)\.(\d+)/.exec(spawnSync(path, ['--version']).stdout.toString()) ?? []
      return Number(major) < 24 || (Number(major) === 24 && Number(minor) < 12)
    })
}

test('the installed command answers with the exit code of the command', async () => {
  const help = runCommand(['help'], {}, { program: [process.execPath, BIN] })
  expect(await help.ended).toBe(0)
  for (const name of ['up', 'verify', 'evidence', 'pades', 'sandbox', 'demo']) {
    expect(help.stdout()).toMatch(new RegExp(`^  ${name} `, 'm'))
  }
  expect(await runCommand(['verify'], {}, { program: [process.execPath, BIN] }).ended).toBe(64)
})

test('an older Node hands over to the one that is installed, with signals and exit codes', {
  timeout: 120_000,
}, async (context) => {
  const node = olderNode()
  if (node === undefined) {
    console.warn('SKIPPED: there is no older Node on this machine')
    return context.skip()
  }
  expect(await runCommand(['verify'], {}, { program: [node, BIN] }).ended).toBe(64)
  const sandbox = runCommand(['sandbox', '--json'], {}, { program: [node, BIN], stdin: 'pipe' })
  const [line] = await sandbox.saw(/^.*\n/)
  const { baseUrl } = JSON.parse(line) as { baseUrl: string }
  sandbox.child.kill('SIGTERM')
  expect(await sandbox.ended).toBe(0)
  await expect(fetch(baseUrl)).rejects.toThrow()
})
