import { describe, expect, it } from 'vitest'
import { type FoundSignature, signaturesIn, signedCorpus } from '../testing/corpus.ts'
import {
  OID,
  PkiError,
  type PkiProblem,
  parseSignedData,
  type SignedData,
  verifySignedData,
  verifyTimestampToken,
} from './pki.ts'

const folder = signedCorpus()
const errors = (problems: readonly PkiProblem[]): string[] =>
  problems.filter(({ severity }) => severity === 'error').map(({ code }) => code)

/** Files that are wrong on purpose or by accident, each with what is to be found. Everything else must verify. */
const flawed: Record<string, string[]> = {
  // Claims SHA3-224 with RSA, but the signature value holds a SHA-256 digest.
  'PAdES-BpB-att-SHA256-SHA3_224withRSA.pdf': ['signature-mismatch'],
  'pades-enveloping-empty-bytes-cms.pdf': ['content-mismatch'],
  'pades-two-sig-copied-tst.pdf': ['timestamp-imprint-mismatch'],
  // Placeholders that were never filled.
  'pdf-with-two-empty-sigs.pdf': ['unreadable'],
}

function judge({ container, content }: FoundSignature): string[] {
  let parsed: SignedData
  try {
    parsed = parseSignedData(container, { allowZeroPadding: true })
  } catch (error) {
    if (error instanceof PkiError) return ['unreadable']
    throw error
  }
  expect(parsed.unreadableCertificates).toEqual([])
  if (parsed.contentType === OID.tstInfo)
    return errors(verifyTimestampToken(container, { content }, { allowZeroPadding: true }).problems)
  const found = errors(verifySignedData(parsed, { content }).problems)
  for (const signer of parsed.signers)
    for (const token of signer.timestampTokens)
      found.push(...errors(verifyTimestampToken(token, { content: signer.signature }).problems))
  return found
}

describe.skipIf(folder === undefined)('signatures in real PDFs', () => {
  it('parse and verify, but for those known to be flawed', () => {
    const unexpected: string[] = []
    const seen = new Set<string>()
    let count = 0
    for (const signature of signaturesIn(folder!)) {
      count += 1
      const name = signature.file.split('/').at(-1)!
      const found = judge(signature)
      const expected = flawed[name] ?? []
      if (found.length > 0) seen.add(name)
      if (found.some((code) => !expected.includes(code)))
        unexpected.push(`${signature.file}: ${found.join(', ')}`)
    }
    expect(unexpected).toEqual([])
    expect([...seen].sort()).toEqual(Object.keys(flawed).sort())
    expect(count).toBeGreaterThan(90)
  })
})
