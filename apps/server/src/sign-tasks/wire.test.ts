import type * as published from '@yinxin/sdk/wire'
import { expectTypeOf, it } from 'vitest'
import type { z } from 'zod'
import type * as wire from './wire.ts'

it('answers exactly what the published types promise, and takes what they allow', () => {
  expectTypeOf<z.output<typeof wire.signTask>>().toEqualTypeOf<published.SignTask>()
  expectTypeOf<z.output<typeof wire.signTaskSummary>>().toEqualTypeOf<published.SignTaskSummary>()
  expectTypeOf<z.output<typeof wire.ceremony>>().toExtend<published.Ceremony>()
  expectTypeOf<published.Ceremony>().toExtend<z.output<typeof wire.ceremony>>()
  expectTypeOf<z.output<typeof wire.ceremonyCover>>().toEqualTypeOf<published.CeremonyCover>()
  expectTypeOf<z.output<typeof wire.taskEvent>>().toEqualTypeOf<published.TaskEvent>()
  expectTypeOf<z.output<typeof wire.signResult>>().toEqualTypeOf<published.SignResult>()
  expectTypeOf<published.SignTaskInput>().toExtend<z.input<typeof wire.signTaskInput>>()
  expectTypeOf<published.SignInput>().toExtend<z.input<typeof wire.signInput>>()
})
