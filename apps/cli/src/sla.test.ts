import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'

const main = new URL('./main.ts', import.meta.url).pathname
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yinxin-sla-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function compute(csv: string, ...args: string[]) {
  const path = join(folder, 'minutes.csv')
  await writeFile(path, csv)
  const done = promisify(execFile)(process.execPath, [main, 'sla', 'compute', path, ...args], {
    env: { ...process.env, LANG: 'en_US.UTF-8' },
  })
  return done.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  )
}

const csv = (rows: string[]) => `minute,valid,ok,maintenance\n${rows.join('\n')}\n`

it('three bad minutes before midnight and four after it are down in both months, with one whole run', async () => {
  const minutes = ['15:56', '15:57', '15:58', '15:59', '16:00', '16:01', '16:02', '16:03', '16:04']
  const rows = minutes.map((at, i) => `2026-11-30T${at}Z,10,${i === 0 || i === 8 ? 10 : 8},0`)
  const run = { from: '2026-11-30T15:57Z', to: '2026-11-30T16:04Z', minutes: 7 }
  const november = await compute(csv(rows), '--month', '2026-11', '--json')
  expect(JSON.parse(november.stdout)).toEqual({
    totalMinutes: 43_200,
    maintenanceMinutes: 0,
    downMinutes: 3,
    availability: (43_200 - 3) / 43_200,
    pass: true,
    runs: [run],
  })
  const december = await compute(csv(rows), '--month', '2026-12', '--tz', 'Asia/Shanghai', '--json')
  expect(JSON.parse(december.stdout)).toMatchObject({ totalMinutes: 44_640, downMinutes: 4, runs: [run] })
  const utc = await compute(csv(rows), '--month', '2026-12', '--tz', 'UTC')
  expect(utc.stdout).toContain('0 minutes (promised ≤ 21.6)')
})

it('wrong usage and unreadable files end with their own codes and say what is wrong', async () => {
  expect(await compute(csv([]))).toMatchObject({ code: 64, stdout: '' })
  expect(await compute(csv([]), '--month', '2026-11', '--tz', 'Mars/Olympus')).toMatchObject({ code: 64 })
  const bad = await compute(csv(['2026-11-01T00:00Z,1,2,0']), '--month', '2026-11', '--json')
  expect(bad).toMatchObject({ code: 2, stdout: '' })
  expect(bad.stderr).toContain('line 2')
})
