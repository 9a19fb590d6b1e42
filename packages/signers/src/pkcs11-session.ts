/** One logged-in session on one token, opened again when the device has lost it. */
import type { Handle, PKCS11 } from 'pkcs11js'
import { CKF, CKR, CKU } from './pkcs11-constants.ts'
import { asSignerError, codeOf, isLostSession, type Pkcs11Module } from './pkcs11-library.ts'
import { SignerError } from './signer-error.ts'

export interface TokenFacts {
  readonly label: string
  readonly manufacturer: string
  readonly model: string
  readonly serial: string
}

/** Which token: by its label, or by the number of its slot. */
export interface TokenChoice {
  readonly tokenLabel?: string
  readonly slot?: number
}

export interface Pkcs11Session {
  readonly token: TokenFacts
  readonly slot: Handle
  /** Grows with every new session: handles found under another number are void. */
  readonly generation: number
  /** Runs calls in the session; once more in a new one when the old one turns out to be lost. */
  run<T>(act: (native: PKCS11, session: Handle) => T): T
  /** The PIN again, for keys that ask for it at every use. */
  authenticateUse(native: PKCS11, session: Handle): void
  close(): void
}

interface FoundToken {
  readonly slot: Handle
  readonly facts: TokenFacts
  readonly flags: number
}

/** Opens the session and logs in. @throws SignerError */
export function openSession(module: Pkcs11Module, choice: TokenChoice, pin: string): Pkcs11Session {
  const { native } = module
  let state: { found: FoundToken; session: Handle } | undefined
  let generation = 0
  /** Set for good when the session cannot be had again, so that a changed PIN is not tried until it locks. */
  let broken: SignerError | undefined

  function open(serial?: string): { found: FoundToken; session: Handle } {
    const found = findToken(native, choice, serial)
    const session = native.C_OpenSession(found.slot, CKF.serialSession | CKF.rwSession)
    try {
      logIn(native, session, found, pin)
    } catch (error) {
      native.C_CloseSession(session)
      throw error
    }
    generation += 1
    return { found, session }
  }

  function reopen(serial: string): void {
    const old = state
    state = undefined
    try {
      if (old !== undefined) native.C_CloseSession(old.session)
    } catch {
      // It is gone already; that is why a new one is opened.
    }
    try {
      module.revive()
      state = open(serial)
    } catch (error) {
      const named = asSignerError(error)
      if (named instanceof SignerError && named.code.startsWith('pin_')) broken = named
      throw named
    }
  }

  try {
    state = open()
  } catch (error) {
    throw asSignerError(error)
  }
  const { serial } = state.found.facts
  let closed = false

  return {
    token: state.found.facts,
    get slot() {
      return (state ?? lostDevice()).found.slot
    },
    get generation() {
      return generation
    },
    run(act) {
      if (closed) throw new SignerError('closed')
      if (broken !== undefined) throw broken
      if (state === undefined) reopen(serial)
      try {
        return act(native, (state ?? lostDevice()).session)
      } catch (error) {
        if (!isLostSession(error)) throw asSignerError(error)
        reopen(serial)
      }
      try {
        return act(native, (state ?? lostDevice()).session)
      } catch (error) {
        throw asSignerError(error)
      }
    },
    authenticateUse: (library, session) => library.C_Login(session, CKU.contextSpecific, pin),
    close() {
      if (closed) return
      closed = true
      try {
        if (state !== undefined) native.C_CloseSession(state.session)
      } catch (error) {
        if (!isLostSession(error)) throw asSignerError(error)
      }
    },
  }
}

function lostDevice(): never {
  throw new SignerError('device_removed')
}

function logIn(native: PKCS11, session: Handle, { flags, facts }: FoundToken, pin: string): void {
  if ((flags & CKF.loginRequired) === 0) return
  if ((flags & CKF.userPinLocked) !== 0) throw new SignerError('pin_locked', facts.label)
  try {
    native.C_Login(session, CKU.user, pin)
  } catch (error) {
    // A login holds for the whole process (PKCS#11 §5.6).
    if (codeOf(error) === CKR.userAlreadyLoggedIn) return
    const last = (flags & CKF.userPinFinalTry) !== 0
    if (codeOf(error) === CKR.pinIncorrect && last)
      throw new SignerError('pin_wrong', `${facts.label}; this was the last try`, { cause: error })
    throw error
  }
}

function findToken(native: PKCS11, choice: TokenChoice, serial?: string): FoundToken {
  const present: FoundToken[] = []
  for (const slot of native.C_GetSlotList(true)) {
    const { label, manufacturerID, model, serialNumber, flags } = native.C_GetTokenInfo(slot)
    const facts = {
      label: label.trim(),
      manufacturer: manufacturerID.trim(),
      model: model.trim(),
      serial: serialNumber.trim(),
    }
    present.push({ slot, facts, flags })
  }
  const { tokenLabel, slot: number } = choice
  const matching = present.filter(
    ({ slot, facts }) =>
      (tokenLabel === undefined || facts.label === tokenLabel) &&
      // A token that comes back may come back in another slot; it is known by its serial number then.
      (number === undefined || serial !== undefined || slotNumber(slot) === number) &&
      (serial === undefined || facts.serial === serial),
  )
  const [found, another] = matching
  if (found === undefined) {
    if (serial !== undefined) throw new SignerError('device_removed', tokenLabel ?? serial)
    const labels = present.map(({ facts }) => facts.label).filter((label) => label !== '')
    const wanted = tokenLabel ?? `slot ${number ?? ''}`.trim()
    throw new SignerError(
      'token_missing',
      `${wanted} (${labels.length === 0 ? 'none present' : `present: ${labels.join(', ')}`})`,
    )
  }
  if (another !== undefined)
    throw new SignerError(
      'token_ambiguous',
      matching.map(({ facts }) => `${facts.label} ${facts.serial}`).join(', '),
    )
  return found
}

/** CK_SLOT_ID, an unsigned long in the machine's order. */
export const slotNumber = (slot: Handle): number =>
  slot.length >= 8 ? Number(slot.readBigUInt64LE()) : slot.readUInt32LE()
