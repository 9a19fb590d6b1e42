import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { attime, makeChild, makeRoot, nextSerial, noon, type Party } from '../testing/authority.ts'
import { openBench, opensslIsHere } from '../testing/openssl.ts'
import { childrenOf, enter, readOnly, take } from './der-read.ts'
import { element, encode, octetString, sequence, setOf } from './der-write.ts'
import {
  buildSignedAttributes,
  buildSignedData,
  type CmsVerification,
  digest,
  digestForSigning,
  generateSigner,
  issueTimestampToken,
  OID,
  parseCertificate,
  parsePem,
  parseSignedData,
  type SignatureAlgorithm,
  type SigningDigest,
  signDetached,
  toPem,
  validatePath,
  verifySignedData,
  verifyTimestampToken,
} from './pki.ts'

const algorithms: readonly SignatureAlgorithm[] = [
  'ecdsa-p256-sha256',
  'ecdsa-p384-sha384',
  'rsa-pkcs1-sha256',
  'rsa-pss-sha256',
  'ed25519',
]
const content = new TextEncoder().encode('甲方与乙方约定如下。')
const root = makeRoot()
const authority = makeChild(root, 'issuing-ca', 'ecdsa-p256-sha256', { C: 'CN', CN: 'issuing' })
const tsa = makeChild(authority, 'timestamping')

function stamp(value: Uint8Array, algorithm: SigningDigest): Uint8Array {
  const fields = {
    messageImprint: { algorithm, digest: value },
    serial: nextSerial(),
    genTime: noon,
    policyOid: '1.3.6.1.4.1.99999.2',
  }
  return issueTimestampToken(fields, tsa.signer, tsa.certificate.der, [authority.certificate.der])
}

function signedBy(party: Party, more: Partial<Parameters<typeof signDetached>[0]> = {}): Uint8Array {
  return signDetached({
    digest: digest(digestForSigning(party.signer.algorithm), content),
    signer: party.signer,
    signingCertificate: party.certificate.der,
    certificates: [authority.certificate.der],
    ...more,
  })
}
const codes = (result: CmsVerification): string[] =>
  result.problems.map(({ code, severity }) => `${code} ${severity}`)

describe('a signature of ours', () => {
  for (const algorithm of algorithms)
    it(`under ${algorithm} verifies over its content and over no other`, () => {
      const party = makeChild(authority, 'event-signing', algorithm)
      const der = signedBy(party, { timestamp: stamp })
      const parsed = parseSignedData(der)
      const good = verifySignedData(parsed, { content })
      expect(good).toMatchObject({ ok: true, problems: [], essCertificateMatches: true })
      expect(good.signerCertificate?.fingerprintSha256).toBe(party.certificate.fingerprintSha256)
      expect(verifySignedData(parsed, { content: [content.subarray(0, 7), content.subarray(7)] }).ok).toBe(
        true,
      )
      expect(verifySignedData(parsed, { contentDigest: (name) => digest(name, content) }).ok).toBe(true)
      expect(codes(verifySignedData(parsed, { content: content.subarray(1) }))).toEqual([
        'digest-mismatch error',
      ])
      expect(codes(verifySignedData(parsed))).toEqual(['content-missing error'])
      const [info] = parsed.signers
      expect(info?.signingTime).toBeUndefined()
      expect(info?.signedAttributes.map(({ oid }) => oid).sort()).toEqual(
        [OID.contentType, OID.messageDigest, OID.signingCertificateV2].sort(),
      )
      expect(info?.timestampTokens).toHaveLength(1)
      expect(
        verifyTimestampToken(
          info!.timestampTokens[0]!,
          { content: info!.signature },
          { anchors: [root.certificate] },
        ).ok,
      ).toBe(true)
      const path = {
        leaf: good.signerCertificate!,
        intermediates: parsed.certificates,
        anchors: [root.certificate],
        at: noon,
        purpose: 'signing',
      } as const
      expect(validatePath(path).ok).toBe(true)
    })

  it('is DER with sorted sets, and only grows by an attribute when it is timestamped', () => {
    const party = makeChild(authority, 'event-signing')
    const signedAttributes = buildSignedAttributes({
      digest: digest('sha256', content),
      digestAlgorithm: 'sha256',
      signingCertificate: party.certificate.der,
    })
    const fields = {
      digestAlgorithm: 'sha256',
      signedAttributes,
      signature: party.signer.sign(signedAttributes),
      signatureAlgorithm: party.signer.algorithm,
      signingCertificate: party.certificate.der,
      certificates: [authority.certificate.der, party.certificate.der],
    } as const
    const plain = parseSignedData(buildSignedData(fields))
    const stamped = parseSignedData(
      buildSignedData({ ...fields, timestampToken: stamp(digest('sha256', fields.signature), 'sha256') }),
    )
    expect(signedAttributes[0]).toBe(0x31)
    expect(plain.signers[0]?.rawSignedAttributes).toEqual(signedAttributes)
    expect(stamped.signers[0]?.rawSignedAttributes).toEqual(signedAttributes)
    expect(plain.certificates).toHaveLength(2)
    expect(
      encode(
        setOf(
          childrenOf(readOnly(signedAttributes, 0x31, 'set')).map((child) =>
            signedAttributes.subarray(child.start, child.end),
          ),
        ),
      ),
    ).toEqual(signedAttributes)
  })

  it('is refused a digest of the wrong size, a foreign digest and a foreign key', () => {
    const party = makeChild(authority, 'event-signing')
    expect(() => signedBy(party, { digest: new Uint8Array(20) })).toThrowError(
      expect.objectContaining({ code: 'argument' }),
    )
    expect(() => signedBy(party, { digestAlgorithm: 'sha512' })).toThrowError(
      expect.objectContaining({ code: 'argument' }),
    )
    expect(() => signedBy(party, { signer: generateSigner('ecdsa-p256-sha256').signer })).toThrowError(
      expect.objectContaining({ code: 'key-mismatch' }),
    )
  })

  it('may be followed by zeros when asked, and by nothing else', () => {
    const der = signedBy(makeChild(authority, 'event-signing'))
    const padded = new Uint8Array(der.length + 100)
    padded.set(der)
    expect(parseSignedData(padded, { allowZeroPadding: true }).der).toEqual(der)
    expect(() => parseSignedData(padded)).toThrowError(expect.objectContaining({ code: 'der' }))
    padded[padded.length - 1] = 1
    expect(() => parseSignedData(padded, { allowZeroPadding: true })).toThrowError(
      expect.objectContaining({ code: 'der' }),
    )
  })
})

describe('a tampered signature', () => {
  const party = makeChild(authority, 'event-signing')
  const der = signedBy(party)
  const again = (change: Partial<Parameters<typeof buildSignedData>[0]>) => {
    const { signers } = parseSignedData(der)
    const fields = {
      digestAlgorithm: 'sha256',
      signedAttributes: signers[0]!.rawSignedAttributes!,
      signature: signers[0]!.signature,
      signatureAlgorithm: 'ecdsa-p256-sha256',
      signingCertificate: party.certificate.der,
      certificates: [],
    } as const
    return verifySignedData(parseSignedData(buildSignedData({ ...fields, ...change })), { content })
  }

  it('with another signature value, certificate or attributes is not ok', () => {
    expect(again({}).ok).toBe(true)
    expect(codes(again({ signature: new Uint8Array(70) }))).toEqual(['signature-mismatch error'])
    expect(codes(again({ signature: new Uint8Array() }))).toEqual(['signature-mismatch error'])
    const twin = makeChild(authority, 'event-signing')
    expect(codes(again({ signingCertificate: twin.certificate.der }))).toEqual([
      'ess-mismatch error',
      'signature-mismatch error',
    ])
    const other = buildSignedAttributes({
      digest: digest('sha256', content),
      digestAlgorithm: 'sha256',
      signingCertificate: party.certificate.der,
      contentType: OID.tstInfo,
    })
    expect(codes(again({ signedAttributes: other }))).toEqual([
      'content-type-mismatch error',
      'signature-mismatch error',
    ])
    expect(codes(again({ encapsulated: { contentType: OID.data, content: content.subarray(2) } }))).toContain(
      'content-mismatch error',
    )
    expect(codes(again({ omitCertificates: true }))).toEqual(['signer-certificate-missing error'])
  })

  it('never crashes the reader, whatever octet is changed or cut off, and never verifies for another document', () => {
    const other = content.slice(1)
    fc.assert(
      fc.property(
        fc.nat(der.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
        (index, mask, cut) => {
          const damaged = cut ? der.slice(0, index) : der.slice()
          if (!cut) damaged[index]! ^= mask
          try {
            expect(verifySignedData(parseSignedData(damaged), { content: other }).ok).toBe(false)
          } catch (error) {
            expect(error).toMatchObject({ name: 'PkiError' })
          }
        },
      ),
      { numRuns: 1500 },
    )
  })

  it('never crashes on noise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        const dressed = encode(sequence(Uint8Array.from([...der.subarray(4, 15)]), element(0xa0, noise)))
        for (const bytes of [noise, dressed])
          try {
            verifySignedData(parseSignedData(bytes), { content })
          } catch (error) {
            expect(error).toMatchObject({ name: 'PkiError' })
          }
      }),
      { numRuns: 1000 },
    )
  })

  it('with attributes stored out of order but signed in order is ok with a warning', () => {
    const reversed = (bytes: Uint8Array): Uint8Array => {
      const children = childrenOf(readOnly(bytes, 0x31, 'set')).map((child) =>
        bytes.slice(child.start, child.end),
      )
      return encode(element(0x31, ...children.reverse()))
    }
    const { signers } = parseSignedData(der)
    expect(codes(again({ signedAttributes: reversed(signers[0]!.rawSignedAttributes!) }))).toEqual([
      'attributes-order warning',
    ])
  })
})

describe.skipIf(!opensslIsHere())('openssl', () => {
  const bench = openBench()
  afterAll(() => bench.close())
  beforeAll(() => {
    bench.put('content', content)
    bench.put('root.pem', toPem(root.certificate.der, 'CERTIFICATE'))
  })

  // OpenSSL 3.0 cannot verify CMS signatures by Ed25519 at all: it asks for a digest the key type does not take.
  for (const algorithm of algorithms.filter((name) => name !== 'ed25519'))
    it(`verifies a signature of ours under ${algorithm}, and not over another content`, () => {
      const party = makeChild(authority, 'event-signing', algorithm)
      bench.put('ours.der', signedBy(party, { timestamp: stamp }))
      bench.put('other', 'another content')
      const verify = (file: string) => [
        'cms',
        '-verify',
        '-cades',
        '-inform',
        'DER',
        '-in',
        'ours.der',
        '-content',
        file,
        '-binary',
        '-CAfile',
        'root.pem',
        '-out',
        'out',
        ...attime(noon),
      ]
      expect(bench.openssl(...verify('content'))).toContain('CAdES Verification successful')
      expect(bench.tryOpenssl(...verify('other')).status).not.toBe(0)
    })

  it('verifies the Ed25519 signature value over our signed attributes', () => {
    const party = makeChild(authority, 'event-signing', 'ed25519')
    const [info] = parseSignedData(signedBy(party)).signers
    bench.put('attributes', info!.rawSignedAttributes!)
    bench.put('signature', info!.signature)
    bench.put('public.pem', toPem(party.signer.spki, 'PUBLIC KEY'))
    const output = bench.openssl(
      'pkeyutl',
      '-verify',
      '-rawin',
      '-in',
      'attributes',
      '-sigfile',
      'signature',
      '-pubin',
      '-inkey',
      'public.pem',
    )
    expect(output).toContain('Verified Successfully')
  })

  const makers: Record<string, { key: string[]; sign: string[]; scheme: string; warnings?: string[] }> = {
    RSA: { key: ['rsa:2048'], sign: ['-md', 'sha256'], scheme: 'rsa-pkcs1-sha256' },
    'RSA with SHA-512': { key: ['rsa:2048'], sign: ['-md', 'sha512'], scheme: 'rsa-pkcs1-sha512' },
    'RSA with SHA-1': {
      key: ['rsa:2048'],
      sign: ['-md', 'sha1'],
      scheme: 'rsa-pkcs1-sha1',
      warnings: ['weak-digest'],
    },
    PSS: {
      key: ['rsa:2048'],
      sign: ['-md', 'sha384', '-keyopt', 'rsa_padding_mode:pss'],
      scheme: 'rsa-pss-sha384',
    },
    'P-256': {
      key: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
      sign: ['-md', 'sha256'],
      scheme: 'ecdsa-sha256',
    },
    'P-384': {
      key: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'],
      sign: ['-md', 'sha384'],
      scheme: 'ecdsa-sha384',
    },
    'P-521': {
      key: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-521'],
      sign: ['-md', 'sha512'],
      scheme: 'ecdsa-sha512',
    },
  }
  const forms: Record<string, { options: string[]; detached: boolean; ess: boolean }> = {
    detached: { options: [], detached: true, ess: false },
    CAdES: { options: ['-cades'], detached: true, ess: true },
    'with its content inside': { options: ['-nodetach'], detached: false, ess: false },
    'without signed attributes': { options: ['-noattr'], detached: true, ess: false },
    'naming its signer by key identifier': { options: ['-keyid'], detached: true, ess: false },
    'in BER of indefinite length': { options: ['-nodetach', '-stream'], detached: false, ess: false },
  }
  for (const [name, { key, sign, scheme, warnings = [] }] of Object.entries(makers))
    it(`makes ${name} signatures in ${Object.keys(forms).length} forms that we verify`, () => {
      const [newkey, ...more] = key
      bench.openssl(
        'req',
        '-x509',
        '-newkey',
        newkey!,
        ...more,
        '-nodes',
        '-keyout',
        'k.pem',
        '-out',
        'c.pem',
        '-days',
        '30',
        '-subj',
        '/CN=signer',
      )
      const certificate = parseCertificate(parsePem(Buffer.from(bench.read('c.pem')).toString())[0]!)
      for (const [form, { options, detached, ess }] of Object.entries(forms)) {
        // OpenSSL 3.0 cannot write PSS signatures as a stream ("illegal zero content").
        if (name === 'PSS' && options.includes('-stream')) continue
        bench.openssl(
          'cms',
          '-sign',
          '-binary',
          '-in',
          'content',
          '-signer',
          'c.pem',
          '-inkey',
          'k.pem',
          ...sign,
          '-outform',
          'DER',
          '-out',
          's.der',
          ...options,
        )
        const bytes = bench.read('s.der')
        const parsed = parseSignedData(bytes)
        if (form.startsWith('in BER')) expect([bytes[1], parsed.der[1]! > 0x80]).toEqual([0x80, true])
        const result = verifySignedData(parsed, detached ? { content } : {})
        expect(
          result.problems.filter(({ severity }) => severity === 'error'),
          form,
        ).toEqual([])
        expect(result.signatureAlgorithm?.name, form).toBe(scheme)
        expect(result.signerCertificate?.fingerprintSha256).toBe(certificate.fingerprintSha256)
        expect(result.essCertificateMatches, form).toBe(ess ? true : undefined)
        const expected = ess ? warnings : ['ess-missing', ...warnings]
        expect(
          result.problems.map(({ code }) => code),
          form,
        ).toEqual(expected)
        expect(verifySignedData(parsed, { content: content.subarray(1) }).ok, form).toBe(false)
      }
    })

  it('makes a signature without attributes that needs the content, unless it is RSA', () => {
    const noattr = (newkey: string[]) => {
      bench.openssl(
        'req',
        '-x509',
        '-newkey',
        ...newkey,
        '-nodes',
        '-keyout',
        'k.pem',
        '-out',
        'c.pem',
        '-subj',
        '/CN=signer',
      )
      bench.openssl(
        'cms',
        '-sign',
        '-noattr',
        '-binary',
        '-in',
        'content',
        '-signer',
        'c.pem',
        '-inkey',
        'k.pem',
        '-outform',
        'DER',
        '-out',
        's.der',
      )
      return parseSignedData(bench.read('s.der'))
    }
    const rsa = noattr(['rsa:2048'])
    expect(verifySignedData(rsa, { contentDigest: (name) => digest(name, content) }).ok).toBe(true)
    expect(
      codes(verifySignedData(rsa, { contentDigest: (name) => digest(name, content.subarray(1)) })),
    ).toContain('signature-mismatch error')
    const ec = noattr(['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'])
    expect(codes(verifySignedData(ec, { contentDigest: (name) => digest(name, content) }))).toContain(
      'content-missing error',
    )
  })
})

describe('the signing certificate attribute', () => {
  it('hashes the original bytes of the certificate, and names its issuer and serial number', () => {
    const party = makeChild(authority, 'event-signing')
    const [info] = parseSignedData(signedBy(party)).signers
    expect(info?.signingCertificate).toEqual({
      version: 2,
      ids: [
        {
          algorithm: 'sha256',
          hash: digest('sha256', party.certificate.der),
          issuerDer: new Uint8Array(authority.certificate.subjectDer),
          serialHex: party.certificate.serialHex,
        },
      ],
    })
    // SHA-256 is the DEFAULT of ESSCertIDv2: DER leaves it out.
    const value = info!.signedAttributes.find(({ oid }) => oid === OID.signingCertificateV2)!.values[0]!
    const first = take(enter(take(enter(readOnly(value, 0x30, 'v2')), 0x30, 'list')), 0x30, 'id')
    expect(first.source.subarray(first.content, first.content + 34)).toEqual(
      encode(octetString(digest('sha256', party.certificate.der))),
    )
  })
})

describe('certificates that come again', () => {
  it('are the ones that were signed, whatever becomes of the bytes they were first read from', () => {
    const party = makeChild(authority, 'event-signing')
    const first = new Uint8Array(signedBy(party))
    const again = new Uint8Array(first)
    expect(parseSignedData(first).certificates.length).toBeGreaterThan(1)
    first.fill(0)
    const parsed = parseSignedData(again)
    expect(parsed.certificates.map(({ der }) => Buffer.from(der).toString('hex')).sort()).toEqual(
      [party, authority].map(({ certificate }) => Buffer.from(certificate.der).toString('hex')).sort(),
    )
    expect(verifySignedData(parsed, { content })).toMatchObject({ ok: true, problems: [] })
  })

  it('may be more than are kept', () => {
    for (let count = 0; count < 150; count += 1) {
      const party = makeChild(authority, 'event-signing')
      expect(
        verifySignedData(parseSignedData(signedBy(party)), { content }).signerCertificate?.serialHex,
      ).toBe(party.certificate.serialHex)
    }
  })
})
