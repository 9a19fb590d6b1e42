import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, it } from 'vitest'

it('the examples of the README run and print what it says', () => {
  const folder = resolve(import.meta.dirname, '..')
  const readme = readFileSync(resolve(folder, 'README.md'), 'utf8')
  const examples = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code!)
  const promised = examples.flatMap((code) => [...code.matchAll(/^\/\/ → (.*)$/gm)].map(([, line]) => line))
  expect(examples.length).toBeGreaterThan(4)
  expect(promised).toHaveLength(examples.length)
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', examples.join('\n')],
    { cwd: folder, encoding: 'utf8' },
  )
  expect(stderr).toBe('')
  expect(status).toBe(0)
  expect(stdout.trimEnd().split('\n')).toEqual(promised)
})
