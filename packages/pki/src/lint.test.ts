import { describe, expect, it } from 'vitest'
import { daysFromNoon, makeChild, makeRoot, oddBody, signerExtensions } from '../testing/authority.ts'
import { encode, sequence } from './der-write.ts'
import {
  encodeAuthorityKeyId,
  encodeBasicConstraints,
  encodeCrlUrls,
  encodeExtendedKeyUsage,
  encodeExtension,
  encodeKeyUsage,
} from './extensions.ts'
import { type CertificateProfile, encodeName, generateSigner, lintCertificate, OID } from './pki.ts'

const root = makeRoot()
const { signer: own } = generateSigner('ecdsa-p256-sha256')
const [constraints, usage, purpose, authority, keyId] = signerExtensions(root, own) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
]
const good = [constraints, usage, purpose, authority, keyId]

/** Rules broken by an event-signing certificate with these fields changed. */
function broken(
  fields: Parameters<typeof oddBody>[2],
  profile: CertificateProfile = 'event-signing',
): string[] {
  return lintCertificate(oddBody(root, own, fields), profile, root.certificate).map(({ rule }) => rule)
}

describe('lint', () => {
  it('passes a good certificate, signed or not', () => {
    expect(broken({})).toEqual([])
    for (const profile of ['issuing-ca', 'event-signing', 'document-signing', 'timestamping'] as const)
      expect(lintCertificate(makeChild(root, profile).certificate.der, profile, root.certificate)).toEqual([])
    expect(lintCertificate(root.certificate.der, 'root-ca')).toEqual([])
  })

  it('names the clause and says what is wrong', () => {
    const [finding] = lintCertificate(
      oddBody(root, own, { subject: { C: 'XXX', CN: 'a' } }),
      'event-signing',
      root.certificate,
    )
    expect(finding).toEqual({
      rule: 'country-code',
      source: 'RFC 5280 appendix A.1, ISO 3166-1',
      message: '"XXX" is no country code',
    })
  })

  const p256 = generateSigner('ecdsa-p256-sha256').signer.spki
  const offCurve = p256.slice()
  offCurve[offCurve.length - 1]! ^= 1
  const cases: [string, string, Parameters<typeof oddBody>[2]][] = [
    ['version 1', 'version-3', { version: undefined }],
    ['a serial number of zero', 'serial-positive-20-octets', { serial: Uint8Array.of(0) }],
    ['a serial number of 21 octets', 'serial-positive-20-octets', { serial: new Uint8Array(20).fill(0x80) }],
    ['no subject', 'subject-named', { subject: {} }],
    ['no issuer', 'issuer-named', { issuerDer: encode(sequence()) }],
    ['a country in lower case', 'country-code', { subject: { C: 'cn', CN: 'a' } }],
    ['an overlong name', 'attribute-length', { subject: { C: 'CN', CN: '名'.repeat(65) } }],
    ['an empty name', 'attribute-length', { subject: { C: 'CN', CN: '' } }],
    [
      'an end before the beginning',
      'validity-order',
      { notBefore: daysFromNoon(2), notAfter: daysFromNoon(1) },
    ],
    ['an end after that of the issuer', 'validity-inside-issuer', { notAfter: daysFromNoon(9000) }],
    ['another issuer', 'issuer-chains', { issuerDer: encodeName({ CN: 'other' }) }],
    ['itself as issuer', 'issuer-chains', { issuerDer: encodeName({ C: 'CN', CN: 'odd' }) }],
    ['a point off its curve', 'key-strength', { spki: offCurve }],
    [
      'an RSA key of 1024 bits',
      'key-strength',
      { spki: generateSigner('rsa-pkcs1-sha256', { rsaBits: 1024 }).signer.spki },
    ],
    ['an extension twice', 'extensions-known-once', { extensions: [...good, keyId] }],
    [
      'an unknown extension',
      'extensions-known-once',
      { extensions: [...good, encodeExtension('1.2.3.4', false, encode(sequence()))] },
    ],
    ['no basic constraints', 'basic-constraints', { extensions: [usage, purpose, authority, keyId] }],
    [
      'the rights of a CA',
      'basic-constraints',
      { extensions: [encodeBasicConstraints(true), usage, purpose, authority, keyId] },
    ],
    ['no key usage', 'key-usage-exact', { extensions: [constraints, purpose, authority, keyId] }],
    [
      'too much key usage',
      'key-usage-exact',
      {
        extensions: [
          constraints,
          encodeKeyUsage(['digitalSignature', 'nonRepudiation', 'keyCertSign']),
          purpose,
          authority,
          keyId,
        ],
      },
    ],
    [
      'another purpose',
      'extended-key-usage-exact',
      {
        extensions: [constraints, usage, encodeExtendedKeyUsage([OID.timeStamping], false), authority, keyId],
      },
    ],
    [
      'a critical purpose',
      'extended-key-usage-exact',
      {
        extensions: [
          constraints,
          usage,
          encodeExtendedKeyUsage([OID.documentSigning, OID.emailProtection], true),
          authority,
          keyId,
        ],
      },
    ],
    [
      'no subject key identifier',
      'key-identifiers',
      { extensions: [constraints, usage, purpose, authority] },
    ],
    [
      'a wrong authority key identifier',
      'key-identifiers',
      { extensions: [constraints, usage, purpose, encodeAuthorityKeyId(new Uint8Array(20)), keyId] },
    ],
    [
      'an address that is no web address',
      'urls',
      { extensions: [...good, encodeCrlUrls(['file:///etc/crl'])] },
    ],
  ]
  for (const [name, rule, fields] of cases) it(`finds ${name}`, () => expect(broken(fields)).toContain(rule))

  it('finds a timestamping purpose that is not critical', () => {
    const extensions = [
      constraints,
      encodeKeyUsage(['digitalSignature']),
      encodeExtendedKeyUsage([OID.timeStamping], false),
      authority,
      keyId,
    ]
    expect(broken({ extensions }, 'timestamping')).toEqual(['extended-key-usage-exact'])
  })

  it('finds an issuing CA without a path length', () => {
    const extensions = [
      encodeBasicConstraints(true),
      encodeKeyUsage(['keyCertSign', 'cRLSign']),
      authority,
      keyId,
    ]
    expect(broken({ extensions }, 'issuing-ca')).toEqual(['basic-constraints'])
  })
})
