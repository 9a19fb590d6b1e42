import type * as published from '@yinxin/sdk/wire'
import { expectTypeOf, it } from 'vitest'
import type { z } from 'zod'
import type * as wire from './wire.ts'

it('answers exactly what the published types promise', () => {
  expectTypeOf<z.output<typeof wire.status>>().toEqualTypeOf<published.PublicStatus>()
})
