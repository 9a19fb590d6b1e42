import { expect, it } from 'vitest'
import { generatedPages, stalePages } from './codegen.ts'

it('finds the pages of the reference as they would be generated (run node scripts/codegen.ts)', async () => {
  expect(await stalePages()).toEqual([])
})

it('lists every setting and the refusals of every room', async () => {
  const pages = await generatedPages()
  expect(pages['docs/reference/configuration.md']).toContain('`YINXIN_UPLOAD_LIMIT_BYTES` | `100000000`')
  expect(pages['docs/reference/errors.md']).toContain('`database_unavailable` | unavailable')
  expect(pages['docs/reference/errors.md']).toContain('`app_nonce_used` | unauthenticated')
})
