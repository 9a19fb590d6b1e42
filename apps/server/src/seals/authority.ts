import type { Caller } from '#src/accounts/accounts.ts'
import { refuse } from './errors.ts'

/** Administrators manage seals, and so do apps where nothing is at stake. */
export function requireManager(caller: Caller): void {
  const isManager = caller.kind === 'app' ? caller.environment === 'sandbox' : caller.role === 'admin'
  if (!isManager) throw refuse('seal_manager_required')
}
