import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { searchFor } from './needles.ts'

it('finds what lies at the beginning, in the middle, across and at the end, and nothing else', () => {
  const needles = Array.from({ length: 500 }, (_, n) => ({ what: `${n}`, bytes: randomBytes(4 + (n % 40)) }))
  const search = searchFor(needles)
  const hay = Buffer.concat([
    needles[36]?.bytes ?? Buffer.alloc(0),
    randomBytes(1000),
    needles[200]?.bytes ?? Buffer.alloc(0),
    needles[201]?.bytes ?? Buffer.alloc(0),
    randomBytes(1000),
    needles[499]?.bytes ?? Buffer.alloc(0),
  ])
  const naive = needles.filter(({ bytes }) => hay.includes(bytes)).map(({ what }) => what)
  expect([...search.in(hay)].sort()).toEqual(naive.sort())
  expect(naive.length).toBeGreaterThanOrEqual(4)
  expect(search.in(hay.subarray(0, 20)).has('36')).toBe(false)
  expect(() => searchFor([{ what: 'short', bytes: Buffer.from('abc') }])).toThrow('too short')
})
