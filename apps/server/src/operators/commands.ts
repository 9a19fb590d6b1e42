/** `yinxin operator …` on a running server. */
import { z } from 'zod'
import type { OperatorCommands } from '#src/operator-door.ts'
import type { Operators } from './operators.ts'
import type { OperatorRow } from './store.ts'

const named = z.object({ name: z.string().trim().min(1).max(100) })
const proposed = z.object({ id: z.uuid() })

export function createOperatorCommands(operators: Operators): OperatorCommands {
  async function view(row: OperatorRow) {
    const names = new Map((await operators.list()).map((one) => [one.id, one.name]))
    const nameOf = (id: string | null) => (id === null ? null : (names.get(id) ?? null))
    return {
      name: row.name,
      addedBy: nameOf(row.added_by),
      addedAt: row.added_at,
      countsFrom: row.counts_from,
      vouchedBy: nameOf(row.vouched_by),
      revokedBy: nameOf(row.revoked_by),
      revokedAt: row.revoked_at,
    }
  }
  return {
    'operator-add': async (options, { operator = null }) => {
      const { row, key } = await operators.add(named.parse(options).name, operator)
      return { ...(await view(row)), key }
    },
    'operator-vouch': async (options, call) =>
      await view(await operators.vouch(named.parse(options).name, operators.requireOperator(call))),
    'operator-revoke': async (options, { operator = null }) =>
      await view(await operators.revoke(named.parse(options).name, operator)),
    'operator-list': async () => ({
      operators: await Promise.all((await operators.list()).map(view)),
      proposals: await operators.proposals.list(),
    }),
    'operator-log': async () => ({ records: await operators.history(200) }),
    'operator-confirm': (options, call) => operators.proposals.confirm(proposed.parse(options).id, call),
    'operator-withdraw': async (options, call) => {
      const { id } = proposed.parse(options)
      await operators.proposals.withdraw(id, call)
      return { id, withdrawn: true }
    },
  }
}
