/** The commands of operators on a running server. */
import type { App } from './app.ts'
import type { Clock } from './clock.ts'
import { createCompensationCommands } from './compensation/compensation.ts'
import { createCustodyCommands, type OverviewSources } from './custody/custody.ts'
import { createIncidentCommands } from './incidents/incidents.ts'
import { createKeyCommands } from './kms/kms.ts'
import { createMonitoringCommands } from './monitoring/monitoring.ts'
import { createDestructionCommands } from './destruction/destruction.ts'
import type { OperatorCommands } from './operator-door.ts'
import { createOperatorCommands } from './operators/operators.ts'
import type { OperatorPages } from './operator-pages.ts'
import { createPortabilityCommands } from './portability/portability.ts'
import { createSlaCommands } from './sla/sla.ts'
import { createStatusCommands } from './status/status.ts'
import { createStorageCommands } from './storage/storage.ts'

/** Every command of operators by its name, and their pages. */
export function operatorCommands(
  app: Pick<
    App,
    | 'storage'
    | 'kms'
    | 'accounts'
    | 'portability'
    | 'destruction'
    | 'custody'
    | 'sla'
    | 'monitoring'
    | 'incidents'
    | 'compensation'
    | 'operators'
    | 'status'
  >,
  clock: Clock,
  backups?: OverviewSources['backups'],
): { commands: OperatorCommands; pages: OperatorPages } {
  const { fsck, scrub, repair } = createStorageCommands({ storage: app.storage, clock })
  const keys = createKeyCommands(app.kms)
  const sla = createSlaCommands(app.sla, app.operators)
  const custody = createCustodyCommands(app.custody, {
    destruction: app.destruction,
    ...(backups === undefined ? {} : { backups }),
  })
  const commands: OperatorCommands = {
    // Objects that the keys know as destroyed go with the comparison; the words about them follow at once.
    async fsck(options, call) {
      const report = await fsck(options, call)
      const { contracts, accesses, held, failed } = await app.destruction.repeatLost()
      return {
        ...report,
        clean: report.clean && failed.length === 0,
        destroyedAgain: { contracts: contracts.length, accesses: accesses.length, held, failed },
      }
    },
    scrub,
    repair,
    'keys-status': keys.status,
    'keys-rotate': keys.rotate,
    'keys-advance': keys.advance,
    'keys-move': keys.move,
    'keys-attest': keys.attest,
    'sla-announce': sla.announce,
    'sla-withdraw': sla.withdraw,
    'sla-close': sla.close,
    'sla-correct': sla.correct,
    custody: custody.status,
    'custody-page': async ({ lang }) => ({ html: await custody.page(lang === 'en' ? 'en' : 'zh') }),
    'durability-report': custody.report,
    ...createOperatorCommands(app.operators),
    ...createPortabilityCommands(app),
    ...createDestructionCommands(app.destruction, app.operators),
    ...createMonitoringCommands(app.monitoring),
    ...createIncidentCommands(app.incidents),
    ...createStatusCommands(app.status),
    ...createCompensationCommands(app),
  }
  return { commands, pages: { custody: (lang) => custody.page(lang, { live: true }) } }
}
