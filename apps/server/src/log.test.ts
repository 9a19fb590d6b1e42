import { expect, it } from 'vitest'
import { createLog } from './log.ts'

it('keeps what explains an error, its causes included, and nothing that it drags along', () => {
  const lines: string[] = []
  const log = createLog('info', { write: (line) => void lines.push(line) })
  const error = Object.assign(new Error('outer', { cause: new Error('inner') }), {
    code: 'X1',
    client: { password: 'hunter2' },
  })
  log.warn({ err: error, token: 'secret-token', nested: { secret: 's3cret' } }, 'said')
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    msg: 'said',
    err: { code: 'X1', message: 'outer', cause: { message: 'inner' } },
    token: '[cut]',
  })
  expect(lines[0]).not.toMatch(/hunter2|secret-token|s3cret/)
})
