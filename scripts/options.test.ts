import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const run = (script: string, ...args: string[]) =>
  spawnSync(process.execPath, [join(import.meta.dirname, script), ...args], {
    encoding: 'utf8',
    timeout: 60_000,
  })

describe('a trial that cannot be as it was asked for', () => {
  test.each([
    ['simulate.ts', '--seed', 'abc'],
    ['simulate.ts', '--seeds', '0'],
    ['simulate.ts', '--steps', '1e3'],
    ['simulate.ts', '--processes', '3'],
    ['simulate.ts', '--foo'],
    ['soak.ts', 'kill', '--kills', 'many'],
    ['soak.ts', 'kill-app', '--kills', '0'],
    ['soak.ts', 'kill', '--foo'],
    ['soak.ts', 'nothing'],
  ])('%s %s %s is wrong usage, not a pass', (script, ...args) => {
    const { status, stdout, stderr } = run(script, ...args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain('usage: npm run')
    expect(stderr).not.toContain('    at ')
  })

  test('a whole one runs', () => {
    const { status, stdout } = run('simulate.ts', '--seed', '7', '--steps', '20')
    expect(status).toBe(0)
    expect(stdout).toContain('20 steps, 0 of 1 seeds failed')
  })
})
