import type { Caller } from '#src/accounts/accounts.ts'
import { refuse } from './errors.ts'

/** How the installation sees itself; see `Config.mode`. */
export type Mode = 'development' | 'sandbox' | 'production'

/**
 * Administrators manage seals, and so do sandbox apps where nothing is at stake: in a production installation
 * an app that is called a sandbox would cut and lend the real seals of its company.
 */
export function requireManager(caller: Caller, mode: Mode): void {
  const isManager =
    caller.kind === 'app'
      ? mode !== 'production' && caller.environment === 'sandbox'
      : caller.role === 'admin'
  if (!isManager) throw refuse('seal_manager_required')
}
