import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { monthMinutes, monthVerdict, parseMinutesCsv } from './sla.ts'

it('the example of the README does what it says', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const example = /```ts\n(.*?)```/s
    .exec(readme)![1]!
    .replace(/^import .*$/m, '')
    .replace('console.log(', 'print(')
  const printed: unknown[] = []
  new Function('monthMinutes', 'monthVerdict', 'parseMinutesCsv', 'print', example)(
    monthMinutes,
    monthVerdict,
    parseMinutesCsv,
    (...values: unknown[]) => printed.push(...values),
  )
  expect(printed.join(' ')).toBe(/\/\/ (.*)$/m.exec(example)![1])
})
