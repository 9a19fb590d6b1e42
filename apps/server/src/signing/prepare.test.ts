import { hashStateOf } from '@yinxin/pades'
import { toHex } from '@yinxin/pki'
import { beforeAll, describe, expect, it } from 'vitest'
import { drawSampleContract } from '#src/sandbox/sample-contract.ts'
import type { Revision } from '#src/sign-tasks/sign-tasks.ts'
import { createPreparer } from './prepare.ts'

let base: Revision
const options = { placements: [], signingTime: new Date('2026-01-01T00:00:00Z'), reserveBytes: 8192 }

beforeAll(async () => {
  const bytes = await drawSampleContract({ corpName: '甲公司', personName: '张三', number: 'n', date: 'd' })
  const hashState = hashStateOf(bytes)
  base = { bytes, hashState, sha256: toHex(hashState.hash.copy().digest()) }
})

describe('the first phase of a signature', () => {
  it('makes the same update in a worker thread as inline', async () => {
    const inline = await createPreparer()(base, options)
    const inWorker = await createPreparer({ inlineBytesMax: 0 })(base, options)
    expect(Buffer.from(inWorker.digest).toString('hex')).toBe(Buffer.from(inline.digest).toString('hex'))
    expect(Buffer.compare(Buffer.from(inWorker.delta), Buffer.from(inline.delta))).toBe(0)
  })

  it('brings a refusal back from the thread, and ends a thread that takes too long', async () => {
    const broken = { ...base, bytes: Buffer.from('%PDF-1.7\nnothing') }
    await expect(createPreparer({ inlineBytesMax: 0 })(broken, options)).rejects.toMatchObject({
      name: 'PdfRefusal',
    })
    await expect(createPreparer({ inlineBytesMax: 0, deadlineMs: 1 })(base, options)).rejects.toMatchObject({
      code: 'too_complex',
    })
  })
})
