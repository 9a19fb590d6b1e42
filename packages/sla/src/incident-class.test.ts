import { expect, it } from 'vitest'
import { classifyIncident } from './incident-class.ts'
import { rosterGaps } from './roster.ts'

const calm = { badMinutes: 0, affectedTenants: 0, activeTenants: 0, integrity: false, signingBelow99: false }

it.each([
  [{}, 'general', []],
  [{ badMinutes: 1 }, 'general', []],
  [{ badMinutes: 2 }, 'severe', ['service_bad']],
  [{ affectedTenants: 2, activeTenants: 2 }, 'general', []],
  [{ affectedTenants: 3, activeTenants: 60 }, 'severe', ['tenants_affected']],
  [{ affectedTenants: 3, activeTenants: 61 }, 'general', []],
  [{ affectedTenants: 4, activeTenants: 80 }, 'severe', ['tenants_affected']],
  [{ integrity: true }, 'severe', ['integrity_touched']],
  [{ signingBelow99: true }, 'severe', ['signing_failing']],
] as const)('%j is %s', (facts, expected, reasons) =>
  expect(classifyIncident({ ...calm, ...facts })).toEqual({ class: expected, reasons }),
)

it('finds every uncovered moment of a roster', () => {
  const shift = (fromMs: number, toMs: number) => ({ fromMs, toMs })
  const week = shift(0, 100)
  expect(rosterGaps([], week)).toEqual([week])
  expect(rosterGaps([shift(0, 100)], week)).toEqual([])
  expect(rosterGaps([shift(50, 100), shift(-10, 50)], week)).toEqual([])
  expect(rosterGaps([shift(0, 49), shift(50, 100)], week)).toEqual([shift(49, 50)])
  expect(rosterGaps([shift(0, 80), shift(10, 20)], week)).toEqual([shift(80, 100)])
  expect(rosterGaps([shift(10, 20), shift(200, 300)], week)).toEqual([shift(0, 10), shift(20, 100)])
})
