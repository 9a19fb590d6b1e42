import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type FastifyInstance, fastify } from 'fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addWeb, buildWeb } from './web.ts'

let cacheDir: string
let directory: string
let app: FastifyInstance

beforeAll(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'yinxin-web-'))
  directory = await buildWeb({ cacheDir })
  app = fastify()
  app.get('/api/v1/environment', async () => ({ mode: 'development' }))
  await addWeb({ app, directory })
})

afterAll(async () => {
  await app?.close()
  await rm(cacheDir, { recursive: true, force: true })
})

const page = { accept: 'text/html,application/xhtml+xml' }

describe('building the web pages', () => {
  it('takes the same folder as long as no source changes, and builds only once', async () => {
    let built = 0
    const again = await buildWeb({ cacheDir, onBuild: () => built++ })
    expect(again).toBe(directory)
    expect(built).toBe(0)
  })

  it('names no other site in the page, and inlines no script that the policy would stop', async () => {
    const html = await readFile(join(directory, 'index.html'), 'utf8')
    expect(html).not.toMatch(/(src|href)="(https?:)?\/\//)
    expect(html).not.toMatch(/<script(?![^>]*src=)/)
    expect(html).not.toMatch(/<style/)
  })
})

describe('serving the web pages', () => {
  it('answers every page address with the one page, uncached and under a strict policy', async () => {
    for (const url of ['/', '/login', '/verify', '/s/abcdefghijklmnopqrstuvwx', '/tasks/0198?step=fields']) {
      const answer = await app.inject({ url, headers: page })
      expect(answer.statusCode, url).toBe(200)
      expect(answer.headers['content-type']).toMatch(/text\/html/)
      expect(answer.headers['cache-control']).toBe('no-cache')
      expect(answer.headers['content-security-policy']).toContain("default-src 'none'")
      expect(answer.headers['content-security-policy']).not.toContain('unsafe-inline')
      expect(answer.body).toContain('<div id="root">')
    }
  })

  it('lets browsers keep hashed files for a year and sends them compressed', async () => {
    const script = /src="(\/assets\/[^"]+\.js)"/.exec(
      await readFile(join(directory, 'index.html'), 'utf8'),
    )?.[1]
    const answer = await app.inject({ url: script ?? '', headers: { 'accept-encoding': 'br' } })
    expect(answer.statusCode).toBe(200)
    expect(answer.headers['cache-control']).toBe('public, max-age=31536000, immutable')
    expect(answer.headers['content-encoding']).toBe('br')
    expect(answer.headers['content-security-policy']).toContain("connect-src 'self'")
  })

  it('carries the character maps, fonts and decoders that pdf.js asks for', async () => {
    for (const url of [
      '/pdf/cmaps/UniGB-UCS2-H.bcmap',
      '/pdf/standard_fonts/FoxitSerif.pfb',
      '/pdf/wasm/openjpeg.wasm',
    ]) {
      const answer = await app.inject({ url })
      expect(answer.statusCode, url).toBe(200)
      expect(answer.rawPayload.length).toBeGreaterThan(100)
    }
  })

  it('answers nothing but a problem for unknown files and machine addresses', async () => {
    for (const url of [
      '/assets/gone.js',
      '/pdf/cmaps/none.bcmap',
      '/api/v1/unknown',
      '/log/tile/x',
      '/ca/none.pem',
    ]) {
      const answer = await app.inject({ url, headers: page })
      expect(answer.statusCode, url).toBe(404)
      expect(answer.headers['content-type']).not.toMatch(/html/)
    }
    expect((await app.inject({ url: '/anything', headers: { accept: 'application/json' } })).statusCode).toBe(
      404,
    )
  })

  it('never shows a file outside the built folder', async () => {
    for (const url of [
      '/..%2f..%2fpackage.json',
      '/assets/..%2f..%2f..%2fpackage.json',
      '/%2e%2e/%2e%2e/etc/passwd',
    ]) {
      const answer = await app.inject({ url, headers: page })
      expect(answer.body, url).not.toMatch(/"dependencies"|root:/)
    }
  })

  it('leaves the routes of the API alone', async () => {
    expect((await app.inject({ url: '/api/v1/environment' })).json()).toEqual({ mode: 'development' })
  })
})
