import {
  type Certificate,
  digest,
  parseTimestampResponse,
  parseTimestampToken,
  verifyTimestampToken,
} from '@yinxin/pki'
import { CHECKPOINT, CHECKPOINT_TIMESTAMP, EVENTS } from './bundle-layout.ts'
import { type ProblemList, reasonOf } from './bundle-problems.ts'
import type { EvidenceEvent } from './event-chain.ts'
import type { Entries } from './verify-entries.ts'

const CLOCK_TOLERANCE_MS = 10 * 60_000

export interface TimestampVerdict {
  genTime: string | null
  trusted: boolean | null
}

/** Judges the RFC 3161 token over the checkpoint: it dates every leaf below, so no event may be later. */
export function verifyCheckpointTimestamp(
  entries: Entries,
  events: readonly EvidenceEvent[],
  trust: readonly Certificate[] | undefined,
  problems: ProblemList,
): TimestampVerdict {
  const verdict: TimestampVerdict = { genTime: null, trusted: trust === undefined ? null : false }
  const response = entries.get(CHECKPOINT_TIMESTAMP)
  const checkpoint = entries.get(CHECKPOINT)
  if (response === undefined || checkpoint === undefined) {
    problems.add(CHECKPOINT_TIMESTAMP, 'timestamp_invalid', 'entry is missing')
    return verdict
  }
  try {
    const { token } = parseTimestampResponse(response)
    if (token === undefined) throw new Error('no token')
    const { messageImprint, genTime } = parseTimestampToken(token)
    const { algorithm } = messageImprint
    const imprint = { digest: digest(algorithm, checkpoint), digestAlgorithm: algorithm }
    const integrity = verifyTimestampToken(token, imprint)
    if (!integrity.ok) throw new Error(integrity.problems.map(({ code }) => code).join(' '))
    verdict.genTime = genTime.toISOString()
    if (trust !== undefined) {
      verdict.trusted = verifyTimestampToken(token, imprint, { anchors: trust }).ok
      if (!verdict.trusted) problems.add(CHECKPOINT_TIMESTAMP, 'timestamp_untrusted')
    }
    const last = events.at(-1)
    if (last !== undefined && Date.parse(last.at) - genTime.getTime() > CLOCK_TOLERANCE_MS) {
      problems.add(EVENTS, 'time_mismatch', `#${last.seq} is later than the timestamp`)
    }
  } catch (error) {
    problems.add(CHECKPOINT_TIMESTAMP, 'timestamp_invalid', reasonOf(error))
  }
  return verdict
}
