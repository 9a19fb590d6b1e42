/** The binding to a PKCS#11 module: loaded when first needed, initialised once for the process. */
import type { PKCS11 } from 'pkcs11js'
import { CKR } from './pkcs11-constants.ts'
import { SignerError, type SignerErrorCode } from './signer-error.ts'

/** The part of pkcs11js that is used: a constructor for an unloaded module. */
export type Pkcs11Binding = new () => PKCS11

/** A module in use; `release` finalises it with the last of its users. */
export interface Pkcs11Module {
  readonly native: PKCS11
  /** Initialises it again after somebody else in the process has finalised it. */
  revive(): void
  release(): void
}

/**
 * Cryptoki is initialised per process and not per caller (PKCS#11 §5.4), so its users have to be counted where all of
 * them are seen.
 */
const inUse = new Map<string, { native: PKCS11; users: number; ours: boolean }>()

async function ownBinding(): Promise<Pkcs11Binding> {
  try {
    const library = (await import('pkcs11js')) as unknown as { default: { PKCS11: Pkcs11Binding } }
    return library.default.PKCS11
  } catch (error) {
    throw new SignerError('library_missing', '', { cause: error })
  }
}

/** Loads and initialises a module. @throws SignerError `library_missing`, `module_missing` or `module_broken` */
export async function openModule(
  path: string,
  load: () => Promise<Pkcs11Binding> = ownBinding,
): Promise<Pkcs11Module> {
  const Binding = await load()
  let entry = inUse.get(path)
  if (entry === undefined) {
    const native = new Binding()
    try {
      native.load(path)
    } catch (error) {
      throw new SignerError('module_missing', textOf(error), { cause: error })
    }
    entry = { native, users: 0, ours: initialise(native, path) }
    inUse.set(path, entry)
  }
  const held = entry
  held.users += 1
  let released = false
  return {
    native: held.native,
    revive: () => {
      held.ours = initialise(held.native, path) || held.ours
    },
    release: () => {
      if (released) return
      released = true
      held.users -= 1
      if (held.users > 0) return
      inUse.delete(path)
      try {
        if (held.ours) held.native.C_Finalize()
      } catch (error) {
        if (codeOf(error) !== CKR.cryptokiNotInitialized) throw asSignerError(error)
      } finally {
        held.native.close()
      }
    },
  }
}

/** Whether it was this call that initialised the module. */
function initialise(native: PKCS11, path: string): boolean {
  try {
    native.C_Initialize()
    return true
  } catch (error) {
    if (codeOf(error) === CKR.cryptokiAlreadyInitialized) return false
    throw new SignerError('module_broken', `${path}: ${textOf(error)}`, { cause: error })
  }
}

/** The CKR_ number of an error of the binding. */
export function codeOf(error: unknown): number | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'number' && code !== 0 ? code : undefined
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const codes: Record<number, SignerErrorCode> = {
  [CKR.slotIdInvalid]: 'token_missing',
  [CKR.tokenNotPresent]: 'device_removed',
  [CKR.tokenNotRecognized]: 'device_removed',
  [CKR.deviceRemoved]: 'device_removed',
  [CKR.sessionClosed]: 'device_removed',
  [CKR.sessionHandleInvalid]: 'device_removed',
  [CKR.userNotLoggedIn]: 'device_removed',
  [CKR.cryptokiNotInitialized]: 'device_removed',
  [CKR.pinIncorrect]: 'pin_wrong',
  [CKR.pinInvalid]: 'pin_wrong',
  [CKR.pinLengthRange]: 'pin_wrong',
  [CKR.pinLocked]: 'pin_locked',
  [CKR.pinExpired]: 'pin_expired',
  [CKR.keyHandleInvalid]: 'key_missing',
  [CKR.objectHandleInvalid]: 'key_missing',
  [CKR.keyFunctionNotPermitted]: 'key_unusable',
  [CKR.keyTypeInconsistent]: 'key_unusable',
  [CKR.mechanismInvalid]: 'mechanism_missing',
  [CKR.mechanismParamInvalid]: 'mechanism_missing',
}

/** An error of the binding in our own words, with the CKR_ name and the call in its detail. */
export function asSignerError(error: unknown): unknown {
  const code = codeOf(error)
  if (error instanceof SignerError || code === undefined) return error
  const method = (error as { method?: string }).method
  const detail = method ? `${textOf(error)} (${method})` : textOf(error)
  return new SignerError(codes[code] ?? 'device_error', detail, { cause: error })
}

/** After these the session is gone or of no use, and with it login and handles: it may be opened again. */
const lost = new Set<number>([
  CKR.deviceRemoved,
  CKR.tokenNotPresent,
  CKR.sessionClosed,
  CKR.sessionHandleInvalid,
  CKR.userNotLoggedIn,
  CKR.cryptokiNotInitialized,
  // Handles of private objects end with the login; a destroyed key is not found again and named then.
  CKR.keyHandleInvalid,
  CKR.objectHandleInvalid,
  // A call before it failed between its two halves.
  CKR.operationActive,
])

/** Somebody else in the process has logged the token out. */
export class LostLogin extends Error {
  readonly code: number = CKR.userNotLoggedIn
}

export const isLostSession = (error: unknown): boolean => lost.has(codeOf(error) ?? -1)
