import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const main = new URL('./main.ts', import.meta.url).pathname

function yinxin(...args: string[]) {
  return promisify(execFile)(process.execPath, [main, ...args], {
    env: { ...process.env, LANG: 'en_US.UTF-8' },
  }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  )
}

it('the formula alone answers with loss and nines', async () => {
  const { stdout } = await yinxin(
    'durability',
    ...'--u 1.25e-3 --uprime 1.71e-6 --w 50 --n 3 --json'.split(' '),
  )
  const answer = JSON.parse(stdout) as { loss: number; nines: number }
  expect(Object.keys(answer)).toEqual(['loss', 'nines'])
  expect(answer.loss).toBeCloseTo(9.137e-12, 14)
  expect(answer.nines).toBeCloseTo(-Math.log10(answer.loss), 9)
})

it('inputs that are missing or impossible are wrong usage', async () => {
  expect(await yinxin('durability', '--u', '0.1')).toMatchObject({ code: 64, stdout: '' })
  const bad = await yinxin('durability', ...'--u 2 --uprime 0.1 --w 2 --n 3 --json'.split(' '))
  expect(bad).toMatchObject({ code: 64, stdout: '' })
  expect(bad.stderr).toContain('probability')
  expect(await yinxin('simulate', 'weather')).toMatchObject({ code: 64 })
  expect(await yinxin('simulate', 'durability', '--disks', '2')).toMatchObject({ code: 64 })
})

it('the simulation repeats itself and stays below the formula', async () => {
  const args = ['simulate', 'durability', '--months', '2000', '--placement', '400', '--seed', '5', '--json']
  const [one, two] = await Promise.all([yinxin(...args), yinxin(...args)])
  expect(one.stdout).toBe(two.stdout)
  const result = JSON.parse(one.stdout) as { perDiskLoss: number; formula: number; objectsLost: number }
  expect(result.objectsLost).toBeGreaterThan(0)
  expect(result.perDiskLoss).toBeLessThan(result.formula)
})
