import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspectPdf } from '@yinxin/pades'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCommand } from '../../../testing/children/run-command.ts'
import { openStage, type Stage, type StageCompany } from '../../../testing/stage.ts'
import { drawProbePdf, type StepResult } from './probe-transaction.ts'

it('the page of a probe is a sound PDF', () => {
  expect(inspectPdf(drawProbePdf('probe (1)'))).toMatchObject({ pages: [{}] })
})

describe('yinxin probe', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'yinxin-probe-'))
  let stage: Stage
  let corp: StageCompany
  let app: { appId: string; secretFile: string }

  beforeAll(async () => {
    stage = await openStage()
    corp = await stage.company('示例科技有限公司')
    const made = await stage.ok<{ appId: string; appSecret: string }>('POST', '/api/v1/apps', {
      token: corp.token,
      body: { name: '探测', environment: 'sandbox' },
    })
    const secretFile = join(folder, 'secret')
    writeFileSync(secretFile, `${made.appSecret}\n`)
    app = { appId: made.appId, secretFile }
  })
  afterAll(async () => {
    await stage.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const args = (url: string, vantage: string) => [
    'probe',
    '--url',
    url,
    '--app-key',
    app.appId,
    '--app-secret-file',
    app.secretFile,
    '--business-id',
    corp.businessId,
    '--vantage',
    vantage,
    '--json',
  ]

  it('walks through a whole transaction and reports each step; without pages the frontend is what fails', async () => {
    const command = runCommand([...args(stage.url, 'east'), '--once'], {})
    const code = await command.ended
    const { results } = JSON.parse(command.stdout()) as { results: StepResult[] }
    expect(results.map(({ service, ok }) => [service, ok])).toEqual([
      ['frontend', false],
      ['upload', true],
      ['backend', true],
      ['signing', true],
      ['backend', true],
      ['certificate', true],
    ])
    // This installation serves no pages, and the probe says so.
    expect(results[0]?.detail).toBe('HTTP 404')
    expect(code).toBe(1)
    const minute = `${(results[1]?.at ?? '').slice(0, 16)}Z`
    const seen = await stage.ok<{ probes: unknown[] }>('GET', `/api/v1/sla/minutes/upload/${minute}`)
    expect(seen.probes).toEqual([
      expect.objectContaining({ vantage: 'east', ok: true, official: false, late: false, rejected: false }),
    ])
  })

  it('keeps what it saw while the platform is out of reach', async () => {
    const command = runCommand([...args('http://127.0.0.1:9', 'west'), '--every', '1'], {})
    await command.saw(/"service":\s*"upload"[^}]*"ok":\s*false/)
    command.child.kill('SIGTERM')
    const code = await command.ended
    expect(command.stderr()).toContain('not reported')
    expect(code).toBe(0)
  })
})
