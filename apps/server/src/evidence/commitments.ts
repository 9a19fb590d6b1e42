import { commit, type Disclosure, type EventActor, type JsonObject } from '@yinxin/evidence'

export interface OpenEvent {
  /** `kind` and technical ids; they are public in the log. */
  actor: EventActor
  data: JsonObject
  /**
   * Personal values by JSON pointer without the ending `Commit`, e.g. `/actor/name`. The event carries only
   * salted commitments; the openings stay in the database and go into packages for the parties.
   */
  personal?: Record<string, string>
}

/** Replaces the personal values of an event by commitments and returns their openings. */
export function commitPersonal(
  fields: OpenEvent,
  newSalt: () => Uint8Array,
): { actor: EventActor; data: JsonObject; openings: Omit<Disclosure, 'seq'>[] } {
  const actor = { ...fields.actor }
  const data = structuredClone(fields.data)
  const openings = Object.entries(fields.personal ?? {}).map(([pointer, value]) => {
    const salt = newSalt()
    place({ actor, data }, `${pointer}Commit`, commit(salt, value))
    return { path: `${pointer}Commit`, salt: Buffer.from(salt).toString('hex'), value }
  })
  return { actor, data, openings }
}

function place(root: JsonObject, pointer: string, value: string): void {
  const keys = pointer.split('/').slice(1)
  const last = keys.pop()
  let at: JsonObject = root
  for (const key of keys) {
    const inner = at[key] ?? {}
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) {
      throw new Error(`the event has no object at ${pointer}`)
    }
    at[key] = inner
    at = inner
  }
  if (last === undefined || last === '' || Object.hasOwn(at, last))
    throw new Error(`nothing can stand at ${pointer}`)
  at[last] = value
}
