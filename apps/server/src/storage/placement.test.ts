import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { copysetsOf, placeObject, scatterWidths } from './placement.ts'

describe('copysets', () => {
  test.each([
    [2, [[0, 1]]],
    [3, [[0, 1, 2]]],
    [
      4,
      [
        [0, 1, 2],
        [3, 0, 1],
      ],
    ],
    [
      5,
      [
        [0, 1, 2],
        [3, 4, 0],
      ],
    ],
    [
      6,
      [
        [0, 1, 2],
        [3, 4, 5],
      ],
    ],
    [
      7,
      [
        [0, 1, 2],
        [3, 4, 5],
        [6, 0, 1],
      ],
    ],
  ])('of %i domains', (count, sets) => {
    expect(copysetsOf(Array.from({ length: count }, (_, n) => n))).toEqual(sets)
  })

  test('full groups stay when domains are added, and no group names one twice', () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 40 }), fc.integer({ min: 0, max: 10 }), (count, more) => {
        const domains = Array.from({ length: count + more }, (_, n) => n)
        const [before, after] = [copysetsOf(domains.slice(0, count)), copysetsOf(domains)]
        const full = Math.floor(count / 3)
        expect(after.slice(0, full)).toEqual(before.slice(0, full))
        for (const set of after) expect(new Set(set).size).toBe(3)
      }),
    )
  })
})

describe('the place of an object', () => {
  const domainsOf = (site: 'primary' | 'recovery', count: number) =>
    Array.from({ length: count }, (_, n) => ({ name: `${site}-${n + 1}`, site }))
  const copysets = {
    primary: copysetsOf(domainsOf('primary', 9)),
    recovery: copysetsOf(domainsOf('recovery', 3)),
  }

  test('is one group per site, always the same for an id, and evenly spread', () => {
    const counts = new Map<string, number>()
    for (let n = 0; n < 3000; n += 1) {
      const id = randomUUID()
      const places = placeObject(id, copysets, () => true).map((domain) => domain.name)
      expect(places).toHaveLength(6)
      expect(placeObject(id, copysets, () => true).map((domain) => domain.name)).toEqual(places)
      counts.set(places[0]!, (counts.get(places[0]!) ?? 0) + 1)
    }
    expect(Array.from(counts.keys()).sort()).toEqual(['primary-1', 'primary-4', 'primary-7'])
    for (const count of counts.values()) expect(count).toBeGreaterThan(800)
  })

  test('avoids a group that takes fewer writes', () => {
    for (let n = 0; n < 100; n += 1) {
      const places = placeObject(randomUUID(), copysets, (domain) => domain.name !== 'primary-5')
      expect(places.map((domain) => domain.name)).not.toContain('primary-5')
    }
  })
})

test('the scatter width counts the distinct others of a domain', () => {
  const widths = scatterWidths([
    { domains: ['a', 'b', 'x'] },
    { domains: ['a', 'c', 'x'] },
    { domains: ['d'] },
  ])
  expect(Object.fromEntries(widths)).toEqual({ a: 3, b: 2, c: 2, d: 0, x: 3 })
})
