/** Operators of a platform under test: the first two count at once. */
import type { App } from '../apps/server/src/app.ts'
import type { Operator } from '../apps/server/src/operator-door.ts'

export interface TestOperator extends Operator {
  key: string
}

export async function twoOperators(
  { operators }: Pick<App, 'operators'>,
  names: readonly [string, string] = ['甲', '乙'],
): Promise<[TestOperator, TestOperator]> {
  const made: TestOperator[] = []
  for (const name of names) {
    const { row, key } = await operators.add(name, null)
    made.push({ id: row.id, name, countsFrom: row.counts_from, key })
  }
  const [first, second] = made
  if (first === undefined || second === undefined) throw new Error('two names make two operators')
  return [first, second]
}
