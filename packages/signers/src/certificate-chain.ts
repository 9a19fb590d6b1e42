import { type Certificate, parseCertificate, sameName, verifyCertificateSignature } from '@yinxin/pki'

/**
 * The certificate of a public key, then those above it as far as they are among the given ones; undefined when none is
 * for the key. Whether the chain is to be trusted is left to its verifier.
 */
export function chainFor(spki: Uint8Array, given: readonly Uint8Array[]): Uint8Array[] | undefined {
  const pool = given.map((der) => parseCertificate(der))
  let current = pool.find((one) => Buffer.compare(one.spki, spki) === 0)
  if (current === undefined) return undefined
  const chain: Certificate[] = []
  while (current !== undefined && !chain.includes(current)) {
    chain.push(current)
    const child: Certificate = current
    if (sameName(child.issuerDer, child.subjectDer)) break
    current = pool.find(
      (one) => sameName(one.subjectDer, child.issuerDer) && verifyCertificateSignature(child, one),
    )
  }
  return chain.map(({ der }) => der)
}
