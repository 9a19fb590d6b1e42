import { createHash } from 'node:crypto'
import { inspectPdf } from '@yinxin/pades'
import { expect, test } from 'vitest'
import { drawSampleContract } from './sample-contract.ts'

const parties = {
  corpName: '云杉科技（上海）有限公司',
  personName: '林晓',
  number: 'YX-2026-0001',
  date: '2026年11月24日',
}

test('the sample contract has two pages, no active content and equal bytes for equal input', async () => {
  const [first, second] = [await drawSampleContract(parties), await drawSampleContract(parties)]
  const info = inspectPdf(first)
  expect(info.pageCount).toBe(2)
  expect(info.activeContent).toEqual([])
  const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
  expect(sha256(first)).toBe(sha256(second))
})
