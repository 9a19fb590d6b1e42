import { expect, it } from 'vitest'
import { createTurns } from './turns.ts'

it('runs work of one key in order, of other keys beside it, and goes on after a failure', async () => {
  const inTurn = createTurns()
  const log: string[] = []
  const gate = Promise.withResolvers<void>()
  const first = inTurn('a', async () => {
    log.push('a1 begins')
    await gate.promise
    log.push('a1 ends')
    throw new Error('a1')
  })
  const second = inTurn('a', async () => {
    log.push('a2')
    return 2
  })
  await inTurn('b', async () => log.push('b'))
  gate.resolve()
  await expect(first).rejects.toThrow('a1')
  expect(await second).toBe(2)
  expect(log).toEqual(['a1 begins', 'b', 'a1 ends', 'a2'])
})
