import type * as published from '@yinxin/sdk/wire'
import { expectTypeOf, it } from 'vitest'
import type { z } from 'zod'
import type * as wire from './wire.ts'

it('answers exactly what the published types promise, and takes what they allow', () => {
  expectTypeOf<z.output<typeof wire.incident>>().toEqualTypeOf<published.PublicIncident>()
  expectTypeOf<z.output<typeof wire.ownIncident>>().toEqualTypeOf<published.OwnIncident>()
  expectTypeOf<z.output<typeof wire.diagnosis>>().toEqualTypeOf<published.Diagnosis>()
  expectTypeOf<published.DiagnosisQuestion>().toExtend<z.input<typeof wire.question>>()
})
