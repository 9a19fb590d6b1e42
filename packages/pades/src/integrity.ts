import type { Problem, SignatureReport } from './report.ts'
import type { Block, SubIndication } from './validate.ts'

/** The building blocks of format, cryptography and later changes, from what the verification found (§5.2.2, §5.2.7). */
export function integrityBlocks(report: SignatureReport | undefined): Block[] {
  if (!report)
    return [{ block: 'format', indication: 'FAILED', subIndication: 'FORMAT_FAILURE', problems: [] }]
  const blocks: Block[] = []
  for (const [block, codes, subIndication] of INTEGRITY) {
    const problems = report.problems.filter(({ code, severity }) => severity === 'error' && codes.has(code))
    if (problems.length === 0) blocks.push({ block, indication: 'PASSED', problems: [] })
    else {
      const open = subIndication === 'SIG_CONSTRAINTS_FAILURE' || problems.every(({ code }) => OPEN.has(code))
      const sub =
        open && block === 'cryptography' ? 'CRYPTO_CONSTRAINTS_FAILURE' : hashed(problems, subIndication)
      blocks.push({ block, indication: open ? 'INDETERMINATE' : 'FAILED', subIndication: sub, problems })
    }
  }
  const known = new Set(INTEGRITY.flatMap(([, codes]) => [...codes]))
  const rest = report.problems.filter(({ code, severity }) => severity === 'error' && !known.has(code))
  // What no rule here knows is never passed over.
  if (rest.length > 0)
    blocks.push({ block: 'format', indication: 'FAILED', subIndication: 'FORMAT_FAILURE', problems: rest })
  return blocks
}

function hashed(problems: readonly Problem[], otherwise: SubIndication): SubIndication {
  const wrong = problems.some(({ code }) => HASH.has(code))
  return wrong && otherwise === 'SIG_CRYPTO_FAILURE' ? 'HASH_FAILURE' : otherwise
}

const HASH = new Set([
  'digest-mismatch',
  'content_hash_mismatch',
  'timestamp-imprint-mismatch',
  'content-mismatch',
])
const OPEN = new Set(['unsupported-digest', 'unsupported-signature'])
const CRYPTOGRAPHY = new Set([
  ...HASH,
  ...OPEN,
  'signature-mismatch',
  'ess-mismatch',
  'algorithm-mismatch',
  'timestamp-purpose',
])
const CHANGES = new Set([
  'changed_after_signing',
  'docmdp_violation',
  'fieldmdp_violation',
  'entry_beyond_signature',
  'trailing_bytes',
  'revision_bypassed',
  'signature_removed',
  'subfilter_unsupported',
])
const FORMAT = new Set([
  'byterange_malformed',
  'byterange_not_from_start',
  'byterange_outside_file',
  'byterange_gap_is_not_contents',
  'contents_not_hexadecimal',
  'contents_missing',
  'cms_unreadable',
  'unreadable',
  'several_signers',
  'not_a_revision',
  'content-missing',
  'content-type-mismatch',
  'message-digest-missing',
  'signed-attributes-missing',
])
const INTEGRITY: readonly (readonly [Block['block'], ReadonlySet<string>, SubIndication])[] = [
  ['format', FORMAT, 'FORMAT_FAILURE'],
  ['cryptography', CRYPTOGRAPHY, 'SIG_CRYPTO_FAILURE'],
  ['changes', CHANGES, 'SIG_CONSTRAINTS_FAILURE'],
]
