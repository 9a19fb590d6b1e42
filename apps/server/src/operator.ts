/** The commands of operators on a running server. */
import type { App } from './app.ts'
import type { Clock } from './clock.ts'
import type { OperatorCommands } from './operator-door.ts'
import { createStorageCommands } from './storage/storage.ts'

/** Every command of operators by its name. */
export function operatorCommands(app: Pick<App, 'storage'>, clock: Clock): OperatorCommands {
  const { fsck, scrub, repair } = createStorageCommands({ storage: app.storage, clock })
  return { fsck, scrub, repair }
}
