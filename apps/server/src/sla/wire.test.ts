import type * as published from '@yinxin/sdk/wire'
import { expectTypeOf, it } from 'vitest'
import type { z } from 'zod'
import type * as wire from './wire.ts'

it('answers exactly what the published types promise, and takes what they allow', () => {
  expectTypeOf<z.output<typeof wire.month>>().toEqualTypeOf<published.SlaMonth>()
  expectTypeOf<z.output<typeof wire.tenantMonth>>().toEqualTypeOf<published.SlaTenantMonth>()
  expectTypeOf<z.output<typeof wire.minute>>().toEqualTypeOf<published.SlaMinute>()
  expectTypeOf<z.output<typeof wire.maintenance>>().toEqualTypeOf<published.SlaMaintenance>()
  expectTypeOf<z.output<typeof wire.probeAnswer>>().toEqualTypeOf<published.SlaProbeAnswer>()
  expectTypeOf<z.output<typeof wire.report>>().toEqualTypeOf<published.SlaReportSummary>()
  expectTypeOf<published.SlaProbeReport>().toExtend<z.input<typeof wire.probeReport>>()
})
