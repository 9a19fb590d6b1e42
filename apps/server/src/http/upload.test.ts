import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newToken } from '#src/ids.ts'
import { settledBufferBytes } from '../../../../testing/memory.ts'
import { appSignature } from './app-signature.ts'
import { appCredential, bearer, clock, type HttpStage, openHttpStage, seen, signed } from './http-stage.ts'

let stage: HttpStage
let base: string

beforeAll(async () => {
  stage = await openHttpStage()
  base = stage.base
})
afterAll(() => stage.close())

describe('uploads', () => {
  const upload = (bytes: Uint8Array, headers: Record<string, string> = {}) =>
    fetch(`${base}/api/v1/uploads`, {
      method: 'POST',
      body: bytes as Uint8Array<ArrayBuffer>,
      headers: { 'content-type': 'application/pdf', ...bearer, ...headers },
    })

  it('arrive whole, with their name and hash', async () => {
    const bytes = randomBytes(3_000_000)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const answer = await upload(bytes, {
      'x-file-name': encodeURIComponent('../采购合同.pdf'),
      'content-sha256': sha256,
    })
    expect(await answer.json()).toEqual({ sizeBytes: 3_000_000, sha256, fileName: '采购合同.pdf' })
  })

  it('are refused when the hash differs, and over the declared limit at once', async () => {
    const wrong = await upload(randomBytes(1000), { 'content-sha256': '0'.repeat(64) })
    expect([wrong.status, await wrong.json()]).toMatchObject([400, { code: 'upload_hash_mismatch' }])
    const large = await upload(new Uint8Array(64_000_001))
    expect([large.status, await large.json()]).toMatchObject([413, { code: 'upload_too_large' }])
  })

  it('without a length are cut off at the limit while streaming, with flat memory', async () => {
    const chunk = randomBytes(64 * 1024)
    const before = await settledBufferBytes()
    seen.peakBytes = before
    const client = httpRequest(`${base}/api/v1/uploads`, {
      method: 'POST',
      headers: { 'content-type': 'application/pdf', 'transfer-encoding': 'chunked', ...bearer },
    })
    client.on('error', () => undefined)
    const answered = once(client, 'response')
    let sent = 0
    let over = false
    answered.then(() => (over = true))
    while (!over && sent < 200_000_000) {
      sent += chunk.length
      if (!client.write(chunk)) await Promise.race([once(client, 'drain'), answered])
    }
    const [response] = await answered
    expect(response.statusCode).toBe(413)
    client.destroy()
    expect(sent).toBeLessThan(100_000_000)
    // The server held a few chunks at a time, never the 64 MB that it let pass.
    expect(seen.peakBytes - before).toBeLessThan(16_000_000)
  })

  it('are told from JSON by their type, on both kinds of route', async () => {
    const json = await upload(Buffer.from('{"n":1}'), { 'content-type': 'application/json' })
    expect([json.status, await json.json()]).toMatchObject([415, { code: 'media_type_unsupported' }])
    const file = await fetch(`${base}/api/v1/limited`, {
      method: 'POST',
      body: 'file',
      headers: { 'content-type': 'application/pdf' },
    })
    expect([file.status, await file.json()]).toMatchObject([415, { code: 'media_type_unsupported' }])
  })

  it('under a name that is too long are cut between characters', async () => {
    const name = `${'a'.repeat(254)}😀.pdf`
    const answer = await upload(randomBytes(10), { 'x-file-name': encodeURIComponent(name) })
    expect(await answer.json()).toMatchObject({ fileName: 'a'.repeat(254) })
  })

  it('that break off are noticed and leave the server well', async () => {
    const client = httpRequest(`${base}/api/v1/uploads`, {
      method: 'POST',
      headers: { 'content-type': 'application/pdf', 'content-length': '1000000', ...bearer },
    })
    client.on('error', () => undefined)
    client.write(randomBytes(1000))
    await new Promise((resolve) => setTimeout(resolve, 50))
    client.destroy()
    expect((await upload(randomBytes(10))).status).toBe(200)
  })

  it('by an app are bound to the hash it signed', async () => {
    const bytes = randomBytes(5000)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const send = (headers: Record<string, string>, content = bytes) =>
      fetch(`${base}/api/v1/uploads`, {
        method: 'POST',
        body: content as Uint8Array<ArrayBuffer>,
        headers: { 'content-type': 'application/pdf', ...headers },
      })
    const sign = () => ({
      ...signed('/api/v1/uploads', ''),
      ...(() => {
        const nonce = newToken(18)
        const timestamp = String(clock.now().getTime())
        const parts = { method: 'POST', path: '/api/v1/uploads', timestamp, nonce, bodySha256: sha256 }
        return {
          'x-yinxin-timestamp': timestamp,
          'x-yinxin-nonce': nonce,
          'x-yinxin-signature': appSignature(appCredential.secret, parts),
        }
      })(),
    })
    expect(await (await send(sign())).json()).toMatchObject({ code: 'app_signature_needs_hash' })
    expect((await send({ ...sign(), 'content-sha256': sha256 })).status).toBe(200)
    const swapped = await send({ ...sign(), 'content-sha256': sha256 }, randomBytes(5000))
    expect(await swapped.json()).toMatchObject({ code: 'upload_hash_mismatch' })
  })
})
