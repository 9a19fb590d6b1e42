import type * as published from '@yinxin/sdk/wire'
import { expectTypeOf, it } from 'vitest'
import type { z } from 'zod'
import type * as wire from './wire.ts'

it('answers exactly what the published types promise, and takes what they allow', () => {
  expectTypeOf<z.output<typeof wire.destruction>>().toEqualTypeOf<published.Destruction>()
  expectTypeOf<z.output<typeof wire.destructionOverview>>().toEqualTypeOf<published.DestructionOverview>()
  expectTypeOf<z.output<typeof wire.retiredMedium>>().toEqualTypeOf<published.RetiredMedium>()
  expectTypeOf<published.DestructionInput>().toExtend<z.input<typeof wire.destructionInput>>()
})
