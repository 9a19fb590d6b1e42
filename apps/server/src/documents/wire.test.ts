import type * as published from '@yinxin/sdk/wire'
import { expectTypeOf, it } from 'vitest'
import type { z } from 'zod'
import type { accountWire } from '#src/accounts/accounts.ts'
import type { identityCheckAnswer } from '#src/identity/routes.ts'
import type { outboxMessage } from '#src/notifications/routes.ts'
import type * as sealWire from '#src/seals/wire.ts'
import type * as fileWire from './wire.ts'

/** The types are compared by the compiler (`npm run types`); at run time there is nothing left to compare. */
it('the routes of people and files say what the published types promise', () => {
  expectTypeOf<z.output<typeof accountWire.me>>().toEqualTypeOf<published.Me>()
  expectTypeOf<z.output<typeof accountWire.environment>>().toEqualTypeOf<published.Environment>()
  expectTypeOf<z.output<typeof accountWire.person>>().toEqualTypeOf<published.Person>()
  expectTypeOf<z.output<typeof accountWire.identityState>>().toEqualTypeOf<published.IdentityState>()
  expectTypeOf<z.output<typeof accountWire.corp>>().toEqualTypeOf<published.Corp>()
  expectTypeOf<z.output<typeof accountWire.member>>().toEqualTypeOf<published.Member>()
  expectTypeOf<z.output<typeof accountWire.app>>().toEqualTypeOf<published.App>()
  expectTypeOf<z.output<typeof accountWire.appWithSecret>>().toExtend<published.AppWithSecret>()
  expectTypeOf<published.AppWithSecret>().toExtend<z.output<typeof accountWire.appWithSecret>>()
  expectTypeOf<z.output<typeof identityCheckAnswer>['identity']>().toEqualTypeOf<published.IdentityState>()
  expectTypeOf<z.output<typeof outboxMessage>>().toEqualTypeOf<published.OutboxMessage>()
  expectTypeOf<z.output<typeof sealWire.seal>>().toEqualTypeOf<published.Seal>()
  expectTypeOf<z.output<typeof sealWire.handwriting>>().toEqualTypeOf<published.Handwriting>()
  expectTypeOf<z.output<typeof fileWire.fileInfo>>().toEqualTypeOf<published.FileInfo>()
  expectTypeOf<z.output<typeof fileWire.keywordPosition>>().toEqualTypeOf<published.KeywordPosition>()
})
