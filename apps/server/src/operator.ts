/** The commands of operators on a running server. */
import type { App } from './app.ts'
import type { Clock } from './clock.ts'
import { createCustodyCommands } from './custody/custody.ts'
import { createKeyCommands } from './kms/kms.ts'
import { createDestructionCommands } from './destruction/destruction.ts'
import type { OperatorCommands } from './operator-door.ts'
import { createPortabilityCommands } from './portability/portability.ts'
import { createSlaCommands } from './sla/sla.ts'
import { createStorageCommands } from './storage/storage.ts'

/** Every command of operators by its name. */
export function operatorCommands(
  app: Pick<App, 'storage' | 'kms' | 'accounts' | 'portability' | 'destruction' | 'custody' | 'sla'>,
  clock: Clock,
): OperatorCommands {
  const { fsck, scrub, repair } = createStorageCommands({ storage: app.storage, clock })
  const keys = createKeyCommands(app.kms)
  const sla = createSlaCommands(app.sla)
  const custody = createCustodyCommands(app.custody)
  return {
    fsck,
    scrub,
    repair,
    'keys-status': keys.status,
    'keys-rotate': keys.rotate,
    'keys-advance': keys.advance,
    'keys-attest': keys.attest,
    'sla-announce': sla.announce,
    'sla-withdraw': sla.withdraw,
    'sla-close': sla.close,
    'sla-correct': sla.correct,
    custody: custody.status,
    'durability-report': custody.report,
    ...createPortabilityCommands(app),
    ...createDestructionCommands(app.destruction),
  }
}
