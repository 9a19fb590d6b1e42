import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

/** A name that no suite has: nothing is measured, only the form of the answer shows. */
function bench(args: string[], environment: Record<string, string> = {}) {
  return spawnSync(process.execPath, [join(import.meta.dirname, 'bench.ts'), 'no-such-figure', ...args], {
    env: { ...process.env, npm_config_json: '', ...environment },
    encoding: 'utf8',
  })
}

describe('npm run bench', () => {
  it.each([
    ['given to the script', ['--json'], {}],
    // `npm run bench --json` keeps the option to itself, says so in the environment and prints no banner.
    ['kept by npm', [], { npm_config_json: 'true' }],
  ])('prints one object and nothing else with --json %s', (_, args, environment) => {
    const { status, stdout } = bench(args, environment)
    expect(status).toBe(0)
    expect(stdout).toBe('{}\n')
  })

  it('prints lines without it', () => {
    expect(bench([]).stdout).toBe('')
  })
})
