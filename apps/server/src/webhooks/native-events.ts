import type { Accounts } from '#src/accounts/accounts.ts'
import type { Outbox } from '#src/outbox/outbox.ts'
import type { Webhooks } from './webhooks.ts'

/** What the programs of a company hear of its sign tasks. Event names are the names of the facts. */
const EVENTS = [
  'sign-task.created',
  'sign-task.started',
  'sign-task.actor-ready',
  'sign-task.viewed',
  'sign-task.signed',
  'sign-task.sign-failed',
  'sign-task.copied',
  'sign-task.urged',
  'sign-task.actor-rejected',
  'sign-task.rejected',
  'sign-task.canceled',
  'sign-task.expired',
  'sign-task.finished',
]

/** Queues Standard Webhooks for every app of the company that has an address and has chosen no other style. */
export function subscribeNativeEvents({
  outbox,
  accounts,
  webhooks,
}: {
  outbox: Pick<Outbox, 'subscribe'>
  accounts: Pick<Accounts, 'apps'>
  webhooks: Pick<Webhooks, 'queue' | 'styles'>
}): void {
  outbox.subscribe(EVENTS, 'webhooks.native', async (fact, tx) => {
    const apps = await accounts.apps.ofCorp(tx, fact.tenantId)
    if (apps.length === 0) return
    const styles = await webhooks.styles(tx, fact.tenantId)
    for (const app of apps) {
      if (app.callbackUrl === null || (styles.get(app.appId) ?? 'standard') !== 'standard') continue
      await webhooks.queue(tx, {
        tenantId: fact.tenantId,
        appId: app.appId,
        url: app.callbackUrl,
        style: 'standard',
        event: fact.type,
        payload: { type: fact.type, timestamp: fact.at.toISOString(), data: fact.payload },
        dedupKey: fact.id,
      })
    }
  })
}
