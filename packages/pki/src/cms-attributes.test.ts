import { describe, expect, it } from 'vitest'
import { makeChild, makeRoot, nextSerial, noon, type Party } from '../testing/authority.ts'
import { digestIdentifier, readSignatureScheme, signatureIdentifier } from './algorithms.ts'
import { childrenOf, encodingOf, readOnly } from './der-read.ts'
import {
  type Der,
  element,
  encode,
  explicit,
  generalizedTime,
  integer,
  nullValue,
  octetString,
  oid,
  sequence,
  set,
  setOf,
  unsignedInteger,
} from './der-write.ts'
import {
  buildSignedAttributes,
  buildSignedData,
  digest,
  issueTimestampToken,
  OID,
  parseCertificate,
  parseCrl,
  parseSignedData,
  issueCrl,
  verifySignedData,
  verifyTimestampToken,
} from './pki.ts'

const content = new TextEncoder().encode('content')
const root = makeRoot()
const party = makeChild(root, 'event-signing')
const tsa = makeChild(root, 'timestamping')

const attribute = (type: string, ...values: Der[]): Uint8Array => encode(sequence(oid(type), set(...values)))
const plainAttributes = buildSignedAttributes({
  digest: digest('sha256', content),
  digestAlgorithm: 'sha256',
  signingCertificate: party.certificate.der,
})
const [typeAttribute, digestAttribute, essAttribute] = [
  OID.contentType,
  OID.messageDigest,
  OID.signingCertificateV2,
].map((type) => {
  const found = childrenOf(readOnly(plainAttributes, 0x31, 'set')).map(encodingOf)
  return found.find((one) => Buffer.from(one).includes(Buffer.from(oid(type))))!
}) as [Uint8Array, Uint8Array, Uint8Array]

/** A signature over any signed attributes, really signed. */
function signedWith(attributes: readonly Uint8Array[], signer: Party = party): Uint8Array {
  const signedAttributes = encode(setOf(attributes))
  return buildSignedData({
    digestAlgorithm: 'sha256',
    signedAttributes,
    signature: signer.signer.sign(signedAttributes),
    signatureAlgorithm: signer.signer.algorithm,
    signingCertificate: signer.certificate.der,
    certificates: [],
  })
}
const codesOf = (attributes: readonly Uint8Array[]): string[] =>
  verifySignedData(parseSignedData(signedWith(attributes)), { content }).problems.map(
    ({ code, severity }) => `${code} ${severity}`,
  )

describe('signed attributes', () => {
  it('that are missing are reported one by one', () => {
    expect(codesOf([typeAttribute, digestAttribute, essAttribute])).toEqual([])
    expect(codesOf([typeAttribute, digestAttribute])).toEqual(['ess-missing warning'])
    expect(codesOf([digestAttribute, essAttribute])).toEqual(['signed-attributes-missing error'])
    expect(codesOf([typeAttribute, essAttribute])).toEqual(['message-digest-missing error'])
  })

  it('that repeat, or have two values, are refused', () => {
    const twice = attribute(
      OID.messageDigest,
      octetString(digest('sha256', content)),
      octetString(new Uint8Array(32)),
    )
    for (const attributes of [
      [typeAttribute, twice],
      [typeAttribute, digestAttribute, attribute(OID.messageDigest, octetString(new Uint8Array(32)))],
    ])
      expect(() => parseSignedData(signedWith(attributes))).toThrowError(
        expect.objectContaining({ code: 'structure' }),
      )
  })

  it('with a signing time report it', () => {
    const [info] = parseSignedData(
      signedWith([typeAttribute, digestAttribute, attribute(OID.signingTime, generalizedTime(noon))]),
    ).signers
    expect(info?.signingTime).toEqual(noon)
  })

  it('with algorithm protection must agree with the algorithms used (RFC 6211)', () => {
    const protection = (
      digestName: 'sha256' | 'sha512',
      signature: 'ecdsa-p256-sha256' | 'ecdsa-p384-sha384',
    ) =>
      attribute(
        OID.cmsAlgorithmProtection,
        sequence(digestIdentifier(digestName), element(0xa1, signatureIdentifier(signature).subarray(2))),
      )
    const base = [typeAttribute, digestAttribute, essAttribute]
    expect(codesOf([...base, protection('sha256', 'ecdsa-p256-sha256')])).toEqual([])
    expect(codesOf([...base, protection('sha512', 'ecdsa-p256-sha256')])).toEqual([
      'algorithm-mismatch error',
    ])
    expect(codesOf([...base, protection('sha256', 'ecdsa-p384-sha384')])).toEqual([
      'algorithm-mismatch error',
    ])
    expect(codesOf([...base, attribute(OID.cmsAlgorithmProtection, nullValue)])).toEqual([
      'algorithm-mismatch error',
    ])
  })

  it('with an ESS hash that names another serial number or digest do not match', () => {
    const { certificate } = party
    const ess = (serial: Uint8Array, hash = digest('sha256', certificate.der), ...algorithm: Der[]) =>
      attribute(
        OID.signingCertificateV2,
        sequence(
          sequence(
            sequence(
              ...algorithm,
              octetString(hash),
              sequence(sequence(element(0xa4, certificate.issuerDer)), unsignedInteger(serial)),
            ),
          ),
        ),
      )
    const serial = Buffer.from(certificate.serialHex, 'hex')
    const base = [typeAttribute, digestAttribute]
    expect(codesOf([...base, ess(serial)])).toEqual([])
    expect(
      codesOf([...base, ess(serial, digest('sha512', certificate.der), digestIdentifier('sha512'))]),
    ).toEqual([])
    expect(codesOf([...base, ess(nextSerial())])).toEqual(['ess-mismatch error'])
    expect(codesOf([...base, ess(serial, new Uint8Array(32))])).toEqual(['ess-mismatch error'])
    expect(
      codesOf([...base, ess(serial, digest('sha256', certificate.der), sequence(oid('1.2.3.4')))]),
    ).toEqual(['ess-mismatch error'])
    expect(
      codesOf([
        ...base,
        attribute(
          OID.signingCertificate,
          sequence(sequence(sequence(octetString(digest('sha1', certificate.der))))),
        ),
      ]),
    ).toEqual([])
  })
})

describe('a timestamp', () => {
  const fields = {
    messageImprint: { algorithm: 'sha256', digest: digest('sha256', content) },
    serial: nextSerial(),
    genTime: noon,
    policyOid: '1.2.3.4',
  } as const
  const token = issueTimestampToken(fields, tsa.signer, tsa.certificate.der)
  const errors = (bytes: Uint8Array) =>
    verifyTimestampToken(bytes, { content })
      .problems.filter(({ severity }) => severity === 'error')
      .map(({ code }) => code)

  it('that does not name its certificate is not ok', () => {
    const tst = parseSignedData(token).content!
    const signedAttributes = encode(
      setOf([
        attribute(OID.contentType, oid(OID.tstInfo)),
        attribute(OID.messageDigest, octetString(digest('sha256', tst))),
      ]),
    )
    const bare = buildSignedData({
      digestAlgorithm: 'sha256',
      signedAttributes,
      signature: tsa.signer.sign(signedAttributes),
      signatureAlgorithm: tsa.signer.algorithm,
      signingCertificate: tsa.certificate.der,
      certificates: [],
      encapsulated: { contentType: OID.tstInfo, content: tst },
    })
    expect(errors(bare)).toEqual(['ess-missing'])
  })

  it('with two signers or with none is not ok', () => {
    const resigned = (count: number) => {
      const outer = readOnly(token, 0x30, 'token')
      const data = childrenOf(childrenOf(childrenOf(outer)[1]!)[0]!).map(encodingOf)
      const [signer] = childrenOf(readOnly(data.at(-1)!, 0x31, 'signers')).map(encodingOf)
      const signers = set(...Array.from({ length: count }, () => signer!))
      return encode(sequence(oid(OID.signedData), explicit(0, sequence(...data.slice(0, -1), signers))))
    }
    expect(errors(resigned(1))).toEqual([])
    expect(errors(resigned(2))).toEqual(['algorithm-mismatch'])
    expect(errors(resigned(0))).toEqual(['no-signer'])
  })
})

describe('algorithm identifiers', () => {
  it('that differ inside and outside the signed part are refused', () => {
    const replaced = (der: Uint8Array) => {
      const [body, , signature] = childrenOf(readOnly(der, 0x30, 'signed structure')).map(encodingOf)
      return encode(sequence(body!, signatureIdentifier('ed25519'), signature!))
    }
    expect(() => parseCertificate(replaced(party.certificate.der))).toThrowError(
      expect.objectContaining({ code: 'structure' }),
    )
    const crl = issueCrl(
      {
        issuer: root.certificate,
        number: 1,
        thisUpdate: noon,
        nextUpdate: new Date(noon.getTime() + 1000),
        revoked: [],
      },
      root.signer,
    )
    expect(() => parseCrl(replaced(crl))).toThrowError(expect.objectContaining({ code: 'structure' }))
  })

  it('of PSS are understood, and unusual ones called unsupported', () => {
    const sha = (name: 'sha256' | 'sha384') => digestIdentifier(name)
    const pss = (...parts: Der[]) =>
      readSignatureScheme(readOnly(encode(sequence(oid(OID.rsaPss), ...parts)), 0x30, 'algorithm'))
    const mask = (name: 'sha256' | 'sha384', generator: string = OID.mgf1) =>
      explicit(1, sequence(oid(generator), sha(name)))
    expect(pss(sequence(explicit(0, sha('sha384')), mask('sha384'), explicit(2, integer(48))))).toMatchObject(
      { kind: 'rsa-pss', digest: 'sha384', saltLength: 48 },
    )
    expect(pss(sequence())).toMatchObject({ kind: 'rsa-pss', digest: 'sha1', saltLength: 20 })
    expect(pss(sequence(explicit(0, sha('sha384')), mask('sha256'))).kind).toBe('unsupported')
    expect(pss(sequence(explicit(0, sha('sha256')), mask('sha256', '1.2.3'))).kind).toBe('unsupported')
    expect(pss(sequence(explicit(0, sha('sha256')), mask('sha256'), explicit(3, integer(2)))).kind).toBe(
      'unsupported',
    )
    expect(pss().kind).toBe('unsupported')
  })

  it('nobody knows are reported by their identifier', () => {
    const unknown = encode(sequence(oid('1.2.3.4.5')))
    expect(readSignatureScheme(readOnly(unknown, 0x30, 'algorithm'))).toEqual({
      kind: 'unsupported',
      oid: '1.2.3.4.5',
      name: '1.2.3.4.5',
    })
  })
})
