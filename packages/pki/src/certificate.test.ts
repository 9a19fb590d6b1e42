import { afterAll, describe, expect, it } from 'vitest'
import { attime, daysFromNoon, makeChild, makeRoot, nextSerial, noon } from '../testing/authority.ts'
import { openBench, opensslIsHere } from '../testing/openssl.ts'
import {
  generateSigner,
  issueCertificate,
  keyFacts,
  nameValue,
  OID,
  parseCertificate,
  parsePem,
  prepareIssuer,
  type SignatureAlgorithm,
  sameName,
  signerFromKey,
  toPem,
  verifyCertificateSignature,
} from './pki.ts'

const algorithms: readonly SignatureAlgorithm[] = [
  'ecdsa-p256-sha256',
  'ecdsa-p384-sha384',
  'rsa-pkcs1-sha256',
  'rsa-pss-sha256',
  'ed25519',
]
const withOpenssl = describe.skipIf(!opensslIsHere())
const bench = openBench()
afterAll(() => bench.close())

describe('issued certificates', () => {
  it('carry what was asked for', () => {
    const root = makeRoot()
    const authority = makeChild(root, 'issuing-ca')
    const { signer } = generateSigner('ecdsa-p256-sha256')
    const serial = Uint8Array.of(0, 0x81, 2, 3, 4, 5, 6, 7)
    const issuer = prepareIssuer(authority.certificate, authority.signer, {
      crlUrls: ['http://ca.example/1.crl', 'https://backup.example/1.crl'],
      caIssuerUrls: ['http://ca.example/1.cer'],
      policyOids: ['1.3.6.1.4.1.99999.1'],
    })
    const certificate = parseCertificate(
      issuer.issue({
        profile: 'event-signing',
        subject: [
          ['C', 'CN'],
          ['O', '北京, 某某"公司"'],
          ['OU', 'a'],
          ['OU', 'b'],
          ['CN', '张三'],
          ['serialNumber', 'A-1'],
          ['emailAddress', 'a@b.cn'],
        ],
        spki: signer.spki,
        serial,
        notBefore: noon,
        notAfter: daysFromNoon(1),
        subjectAltNames: [
          { type: 'email', value: 'zhang@example.cn' },
          { type: 'uri', value: 'urn:uuid:1' },
        ],
      }),
    )
    expect(certificate).toMatchObject({
      version: 3,
      serialHex: '81020304050607',
      notBefore: noon,
      notAfter: daysFromNoon(1),
      isCa: false,
      keyUsage: new Set(['digitalSignature', 'nonRepudiation']),
      extendedKeyUsage: [OID.documentSigning, OID.emailProtection],
      policies: ['1.3.6.1.4.1.99999.1'],
      crlUrls: ['http://ca.example/1.crl', 'https://backup.example/1.crl'],
      caIssuerUrls: ['http://ca.example/1.cer'],
      ocspUrls: [],
      malformedExtensions: [],
      authorityKeyId: authority.certificate.keyId,
      subjectAltNames: [
        { type: 'email', value: 'zhang@example.cn' },
        { type: 'uri', value: 'urn:uuid:1' },
      ],
    })
    expect(certificate.subject.text).toBe(
      'C=CN, O=北京\\, 某某\\"公司\\", OU=a, OU=b, CN=张三, serialNumber=A-1, emailAddress=a@b.cn',
    )
    expect(nameValue(certificate.subject, 'OU')).toBe('a')
    expect(certificate.spki).toEqual(signer.spki)
    expect(verifyCertificateSignature(certificate, authority.certificate)).toBe(true)
    expect(verifyCertificateSignature(certificate, root.certificate)).toBe(false)
  })

  it('are the same bytes for the same fields when the signature is deterministic', () => {
    const root = makeRoot('ed25519')
    const fields = {
      issuer: root.certificate,
      profile: 'timestamping',
      subject: { CN: 'TSA' },
      spki: root.signer.spki,
      serial: nextSerial(),
      notBefore: noon,
      notAfter: daysFromNoon(1),
    } as const
    expect(issueCertificate(fields, root.signer)).toEqual(issueCertificate(fields, root.signer))
  })

  it('are refused to a signer that is not the issuer, and to an issuer that is no CA', () => {
    const root = makeRoot()
    const leaf = makeChild(root, 'event-signing')
    const { signer } = generateSigner('ecdsa-p256-sha256')
    expect(() => prepareIssuer(root.certificate, signer)).toThrowError(
      expect.objectContaining({ code: 'key-mismatch' }),
    )
    const self = {
      issuer: 'self',
      profile: 'root-ca',
      subject: { CN: 'x' },
      spki: leaf.signer.spki,
      serial: nextSerial(),
      notBefore: noon,
      notAfter: daysFromNoon(1),
    } as const
    expect(() => issueCertificate(self, signer)).toThrowError(
      expect.objectContaining({ code: 'key-mismatch' }),
    )
    expect(() => prepareIssuer(leaf.certificate, leaf.signer)).toThrowError(
      expect.objectContaining({ code: 'argument' }),
    )
  })

  it('that lint refuses leave the key unused', () => {
    const root = makeRoot()
    let used = 0
    const sign = (data: Uint8Array) => {
      used += 1
      return root.signer.sign(data)
    }
    const counting = { ...root.signer, sign }
    const issuer = prepareIssuer(root.certificate, counting)
    const fields = {
      profile: 'event-signing',
      subject: { C: 'cn', CN: 'x' },
      spki: root.signer.spki,
      serial: nextSerial(),
      notBefore: noon,
      notAfter: daysFromNoon(1),
    } as const
    expect(() => issuer.issue(fields)).toThrowError(
      expect.objectContaining({
        code: 'lint',
        findings: [expect.objectContaining({ rule: 'country-code' })],
      }),
    )
    expect(used).toBe(0)
    issuer.issue({ ...fields, subject: { C: 'CN', CN: 'x' } })
    expect(used).toBe(1)
  })
})

describe('signers', () => {
  it('infer their algorithm and refuse a foreign one', () => {
    for (const algorithm of algorithms) {
      const { privateKey } = generateSigner(algorithm)
      const inferred = signerFromKey(privateKey).algorithm
      // A plain RSA key serves PKCS#1 unless PSS is asked for.
      expect(inferred).toBe(algorithm === 'rsa-pss-sha256' ? 'rsa-pkcs1-sha256' : algorithm)
    }
    const { privateKey } = generateSigner('ed25519')
    expect(() => signerFromKey(privateKey, 'ecdsa-p256-sha256')).toThrowError(
      expect.objectContaining({ code: 'key-mismatch' }),
    )
  })
})

describe('names', () => {
  it('are the same in other string types, case and spacing, and nothing else', () => {
    const pair = (tag: number, text: string) => {
      const value = new TextEncoder().encode(text)
      const attribute = Uint8Array.of(0x06, 3, 0x55, 4, 3, tag, value.length, ...value)
      return Uint8Array.of(
        0x30,
        attribute.length + 4,
        0x31,
        attribute.length + 2,
        0x30,
        attribute.length,
        ...attribute,
      )
    }
    expect(sameName(pair(0x13, 'Test  CA'), pair(0x0c, 'test ca'))).toBe(true)
    expect(sameName(pair(0x13, 'Test CA'), pair(0x0c, 'Test CB'))).toBe(false)
  })
})

withOpenssl('openssl', () => {
  for (const algorithm of algorithms)
    it(`verifies a chain of ours under ${algorithm}`, () => {
      const root = makeRoot(algorithm)
      const authority = makeChild(root, 'issuing-ca', algorithm)
      const leaf = makeChild(authority, 'event-signing', algorithm)
      const tsa = makeChild(authority, 'timestamping', algorithm)
      const names = ['root', 'authority', 'leaf', 'tsa']
      for (const [index, party] of [root, authority, leaf, tsa].entries())
        bench.put(`${names[index]}.pem`, toPem(party.certificate.der, 'CERTIFICATE'))
      const chain = ['-x509_strict', '-CAfile', 'root.pem', '-untrusted', 'authority.pem', ...attime(noon)]
      expect(bench.openssl('verify', ...chain, '-purpose', 'smimesign', 'leaf.pem')).toContain('OK')
      expect(bench.openssl('verify', ...chain, '-purpose', 'timestampsign', 'tsa.pem')).toContain('OK')
      expect(bench.tryOpenssl('verify', ...chain, '-purpose', 'timestampsign', 'leaf.pem').status).not.toBe(0)
      const text = bench.openssl(
        'x509',
        '-in',
        'leaf.pem',
        '-noout',
        '-serial',
        '-fingerprint',
        '-sha256',
        '-nameopt',
        'utf8',
        '-subject',
      )
      expect(text.toLowerCase()).toContain(`serial=${leaf.certificate.serialHex}`)
      expect(text.toLowerCase().replaceAll(':', '')).toContain(
        `fingerprint=${leaf.certificate.fingerprintSha256}`,
      )
      expect(text).toContain('张三')
    })

  const keys: Record<string, string[]> = {
    RSA: ['rsa:2048', '-sha256'],
    'RSA with SHA-512': ['rsa:2048', '-sha512'],
    PSS: ['rsa-pss', '-pkeyopt', 'rsa_keygen_bits:2048', '-sha384', '-sigopt', 'rsa_pss_saltlen:32'],
    'P-256': ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-sha256'],
    'P-384': ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-sha384'],
    'P-521': ['ec', '-pkeyopt', 'ec_paramgen_curve:P-521', '-sha512'],
    Ed25519: ['ed25519'],
  }
  for (const [name, options] of Object.entries(keys))
    it(`makes a ${name} certificate that we read and verify`, () => {
      const [newkey, ...more] = options
      bench.openssl(
        ...[
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
          '-utf8',
        ],
        ...[
          '-subj',
          '/C=CN/O=某公司/OU=x+CN=李四/emailAddress=l@example.cn',
          '-set_serial',
          '0x0fedcba987654321',
        ],
        ...[
          '-addext',
          'subjectAltName=DNS:a.example,email:b@example.cn,URI:http://c.example/,IP:10.0.0.1,dirName:dn',
          '-addext',
          'keyUsage=critical,digitalSignature,keyCertSign',
        ],
        ...[
          '-addext',
          'extendedKeyUsage=timeStamping',
          '-addext',
          'crlDistributionPoints=URI:http://crl.example/x',
        ],
        ...[
          '-addext',
          'authorityInfoAccess=OCSP;URI:http://ocsp.example/,caIssuers;URI:http://ca.example/',
          '-addext',
          'certificatePolicies=1.2.3.4',
        ],
        ...[
          '-config',
          bench.put(
            'req.cnf',
            '[req]\ndistinguished_name=empty\nx509_extensions=ext\n[empty]\n[ext]\nbasicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always\n[dn]\nCN=里\n',
          ),
        ],
      )
      const certificate = parseCertificate(parsePem(Buffer.from(bench.read('c.pem')).toString())[0]!)
      expect(certificate).toMatchObject({
        serialHex: '0fedcba987654321',
        isCa: true,
        keyUsage: new Set(['digitalSignature', 'keyCertSign']),
        extendedKeyUsage: [OID.timeStamping],
        policies: ['1.2.3.4'],
        crlUrls: ['http://crl.example/x'],
        ocspUrls: ['http://ocsp.example/'],
        caIssuerUrls: ['http://ca.example/'],
      })
      expect(certificate.subject.text).toBe('C=CN, O=某公司, OU=x+CN=李四, emailAddress=l@example.cn')
      expect(certificate.subjectAltNames.map(({ type }) => type)).toEqual([
        'dns',
        'email',
        'uri',
        'ip',
        'directory',
      ])
      expect(certificate.keyId).toBe(certificate.authorityKeyId)
      expect(verifyCertificateSignature(certificate, certificate)).toBe(true)
      expect(keyFacts(certificate.spki)?.wellFormed).toBe(true)
      const shown = bench.openssl('x509', '-in', 'c.pem', '-noout', '-enddate')
      expect(new Date(shown.replace('notAfter=', ''))).toEqual(certificate.notAfter)
    })
})

withOpenssl('a key that brings its own curve', () => {
  it('verifies nothing', () => {
    const curve = [
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-pkeyopt',
      'ec_param_enc:explicit',
    ]
    bench.openssl(
      'req',
      '-x509',
      ...curve,
      '-nodes',
      '-keyout',
      'k.pem',
      '-out',
      'c.pem',
      '-subj',
      '/CN=explicit',
    )
    const certificate = parseCertificate(parsePem(Buffer.from(bench.read('c.pem')).toString())[0]!)
    expect(keyFacts(certificate.spki)).toEqual({ type: 'ec', bits: 0, wellFormed: false })
    expect(verifyCertificateSignature(certificate, certificate)).toBe(false)
  })
})

describe('damaged certificates', () => {
  const { certificate } = makeChild(makeRoot(), 'event-signing')

  it('are refused when truncated anywhere', () => {
    for (let length = 0; length < certificate.der.length; length += 1)
      expect(() => parseCertificate(certificate.der.subarray(0, length))).toThrowError(
        expect.objectContaining({ code: 'der' }),
      )
  })

  it('never verify and never crash when any octet is changed', () => {
    const issuer = makeRoot()
    const leaf = makeChild(issuer, 'event-signing').certificate
    const accepted: number[] = []
    for (let index = 0; index < leaf.der.length; index += 1) {
      const damaged = leaf.der.slice()
      damaged[index]! ^= 0x01
      try {
        if (verifyCertificateSignature(parseCertificate(damaged), issuer.certificate)) accepted.push(index)
      } catch (error) {
        expect(error).toMatchObject({ name: 'PkiError' })
      }
    }
    expect(accepted).toEqual([])
  })

  it('are refused as PEM when the text is not one', () => {
    expect(() => parsePem('no block')).toThrowError(expect.objectContaining({ code: 'pem' }))
    expect(() => parsePem('-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----')).toThrowError(
      expect.objectContaining({ code: 'pem' }),
    )
    expect(parsePem(toPem(certificate.der, 'CERTIFICATE'), 'CERTIFICATE')).toEqual([
      new Uint8Array(certificate.der),
    ])
    expect(() => parsePem(toPem(certificate.der, 'CERTIFICATE'), 'X509 CRL')).toThrowError(
      expect.objectContaining({ code: 'pem' }),
    )
  })
})
