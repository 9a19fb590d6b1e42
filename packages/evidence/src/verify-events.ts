import { DISCLOSURES, EVENTS, type Manifest } from './bundle-layout.ts'
import { type ProblemList, reasonOf } from './bundle-problems.ts'
import { fromUtf8, sha256Hex } from './bytes.ts'
import { parseCanonicalJson } from './canonical-json.ts'
import {
  type Disclosure,
  discloseEvent,
  type EvidenceEvent,
  eventBytes,
  parseEvent,
  verifyChain,
  verifyDisclosure,
} from './event-chain.ts'
import type { Entries } from './verify-entries.ts'

export interface ReadEvents {
  /** As logged. */
  events: EvidenceEvent[]
  /** The same with opened commitments as plain values beside them. */
  open: EvidenceEvent[]
}

/** Reads the chain and the disclosures of a package and judges both. */
export function verifyEvents(entries: Entries, manifest: Manifest, problems: ProblemList): ReadEvents {
  const events = readLines(entries.get(EVENTS), problems)
  for (const { index, code } of verifyChain(events)) problems.add(EVENTS, 'chain_broken', `#${index} ${code}`)
  const last = events.at(-1)
  const lastHash = last === undefined ? '' : sha256Hex(eventBytes(last))
  if (events.length !== manifest.events.count || lastHash !== manifest.events.lastHash) {
    problems.add(EVENTS, 'chain_broken', 'end of the chain is not the one of the manifest')
  }
  if (events.some((event) => event.taskId !== manifest.taskId)) {
    problems.add(EVENTS, 'chain_broken', 'events are of another task than the manifest')
  }
  const disclosures = readDisclosures(entries.get(DISCLOSURES), problems)
  const good = disclosures.filter((disclosure) => {
    const event = events[disclosure.seq]
    const holds = event !== undefined && verifyDisclosure(event, disclosure)
    if (!holds) problems.add(DISCLOSURES, 'disclosure_invalid', `#${disclosure.seq} ${disclosure.path}`)
    return holds
  })
  return { events, open: events.map((event) => discloseEvent(event, good)) }
}

function readLines(bytes: Uint8Array | undefined, problems: ProblemList): EvidenceEvent[] {
  if (bytes === undefined) {
    problems.add(EVENTS, 'event_invalid', 'entry is missing')
    return []
  }
  const events: EvidenceEvent[] = []
  let from = 0
  while (from < bytes.length) {
    const end = bytes.indexOf(0x0a, from)
    if (end < 0) {
      problems.add(EVENTS, 'event_invalid', 'last line has no end')
      break
    }
    try {
      events.push(parseEvent(bytes.subarray(from, end)))
    } catch (error) {
      problems.add(EVENTS, 'event_invalid', `#${events.length} ${reasonOf(error)}`)
      break
    }
    from = end + 1
  }
  if (events.length === 0) problems.add(EVENTS, 'event_invalid', 'no events')
  return events
}

function readDisclosures(bytes: Uint8Array | undefined, problems: ProblemList): Disclosure[] {
  if (bytes === undefined) {
    problems.add(DISCLOSURES, 'disclosure_invalid', 'entry is missing')
    return []
  }
  try {
    const value = parseCanonicalJson(fromUtf8(bytes) ?? '')
    if (!Array.isArray(value)) throw new Error('not a list')
    return value.map((item) => {
      const keys = typeof item === 'object' && item !== null ? Object.keys(item).sort().join() : ''
      const { seq, path, salt, value: plain } = (item ?? {}) as Record<string, unknown>
      const shaped =
        keys === 'path,salt,seq,value' &&
        typeof seq === 'number' &&
        [path, salt, plain].every((one) => typeof one === 'string')
      if (!shaped) throw new Error('item has another shape')
      return item as unknown as Disclosure
    })
  } catch (error) {
    problems.add(DISCLOSURES, 'disclosure_invalid', reasonOf(error))
    return []
  }
}
