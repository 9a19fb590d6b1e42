/** Whether tests on a real Swift can run here; says loudly when not, and fails where everything must be installed. */
import { expect, test } from 'vitest'
import { missingForSwift } from './swift.ts'

export function hasSwift(): boolean {
  const missing = missingForSwift()
  if (missing === '') return true
  test('Swift is installed', (context) => {
    if (process.env.CI === 'true') expect.fail(`Swift is missing: ${missing}`)
    console.warn(`SKIPPED, object storage was not tried on a real server: ${missing}`)
    context.skip()
  })
  return false
}
