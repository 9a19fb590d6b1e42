import type * as published from '@yinxin/sdk/wire'
import type { DurabilityReport } from '@yinxin/sla'
import { expectTypeOf, it } from 'vitest'
import type { z } from 'zod'
import type { PublishedReport } from './custody.ts'
import type * as wire from './wire.ts'

it('answers exactly what the published types promise', () => {
  expectTypeOf<z.output<typeof wire.copies>>().toEqualTypeOf<published.Copies>()
  expectTypeOf<z.output<typeof wire.durabilityNow>>().toEqualTypeOf<published.DurabilityNow>()
  expectTypeOf<z.output<typeof wire.reportSummary>>().toEqualTypeOf<published.DurabilityReportSummary>()
  expectTypeOf<DurabilityReport>().toExtend<published.DurabilityReport>()
  expectTypeOf<PublishedReport>().toExtend<Omit<published.PublishedDurabilityReport, 'environment'>>()
})
