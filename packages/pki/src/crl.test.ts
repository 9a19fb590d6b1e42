import { afterAll, describe, expect, it } from 'vitest'
import { attime, daysFromNoon, makeChild, makeRoot, noon } from '../testing/authority.ts'
import { openBench, opensslIsHere } from '../testing/openssl.ts'
import { element, encode, implicit, octetString, sequence } from './der-write.ts'
import { encodeExtension } from './extensions.ts'
import {
  generateSigner,
  issueCrl,
  OID,
  parseCertificate,
  parseCrl,
  parsePem,
  type RevocationReason,
  type SignatureAlgorithm,
  toPem,
  validatePath,
  verifyCrl,
} from './pki.ts'

const root = makeRoot()
const serials = [Uint8Array.of(0, 0x81, 1), Uint8Array.of(5), new Uint8Array(20).fill(0x7f)]
const reasons: (RevocationReason | undefined)[] = ['keyCompromise', undefined, 'certificateHold']
const fields = {
  issuer: root.certificate,
  number: 2n ** 64n,
  thisUpdate: noon,
  nextUpdate: daysFromNoon(7),
  revoked: serials.map((serial, index) => {
    const reason = reasons[index]
    return { serial, at: daysFromNoon(-index), ...(reason === undefined ? {} : { reason }) }
  }),
}

describe('a revocation list', () => {
  it('keeps what it was made from', () => {
    const crl = parseCrl(issueCrl(fields, root.signer))
    expect(crl).toMatchObject({
      thisUpdate: noon,
      nextUpdate: daysFromNoon(7),
      number: 2n ** 64n,
      authorityKeyId: root.certificate.keyId,
    })
    expect(crl.scope).toEqual({ onlyUserCertificates: false, onlyCaCertificates: false, unsupported: false })
    expect([...crl.revoked.values()]).toEqual([
      { serialHex: '8101', at: noon, reason: 'keyCompromise' },
      { serialHex: '05', at: daysFromNoon(-1) },
      { serialHex: '7f'.repeat(20), at: daysFromNoon(-2), reason: 'certificateHold' },
    ])
    expect(verifyCrl(crl, root.certificate)).toBe(true)
    expect(verifyCrl(crl, makeRoot().certificate)).toBe(false)
    expect(parseCrl(issueCrl({ ...fields, revoked: [] }, root.signer)).revoked.size).toBe(0)
  })

  it('is refused to a foreign key, to one that may not sign lists, and backwards in time', () => {
    const leaf = makeChild(root, 'event-signing')
    expect(() => issueCrl(fields, generateSigner('ed25519').signer)).toThrowError(
      expect.objectContaining({ code: 'key-mismatch' }),
    )
    expect(() => issueCrl({ ...fields, issuer: leaf.certificate }, leaf.signer)).toThrowError(
      expect.objectContaining({ code: 'argument' }),
    )
    expect(() => issueCrl({ ...fields, nextUpdate: noon }, root.signer)).toThrowError(
      expect.objectContaining({ code: 'argument' }),
    )
  })

  it('may have more entries than a call can have arguments', () => {
    const revoked = Array.from({ length: 200_000 }, (_, index) => ({
      serial: Uint8Array.of(1, index >> 16, index >> 8, index),
      at: noon,
    }))
    const crl = parseCrl(issueCrl({ ...fields, revoked }, root.signer))
    expect(crl.revoked.size).toBe(200_000)
  })

  it('never crashes the reader when damaged, and never verifies', () => {
    const der = issueCrl(fields, root.signer)
    for (let index = 0; index < der.length; index += 1)
      for (const damaged of [
        der.slice(0, index),
        der.map((octet, at) => (at === index ? octet ^ 0x04 : octet)),
      ])
        try {
          expect(verifyCrl(parseCrl(damaged), root.certificate)).toBe(false)
        } catch (error) {
          expect(error).toMatchObject({ name: 'PkiError' })
        }
  })

  it('of a narrowed scope speaks only about that scope', () => {
    const leaf = makeChild(root, 'event-signing')
    const point = (...parts: Uint8Array[]) =>
      encodeExtension(OID.issuingDistributionPoint, true, sequence(...parts))
    const yes = Uint8Array.of(0xff)
    const withScope = (extension: Uint8Array) => {
      // The list of ours, re-signed with one more extension inside its [0] field.
      const crl = parseCrl(issueCrl({ ...fields, revoked: [] }, root.signer))
      const extensions = [
        ...crl.extensions.map(({ oid, critical, value }) => encodeExtension(oid, critical, value)),
        extension,
      ]
      const length = encode(
        element(
          0xa0,
          sequence(
            ...crl.extensions.map(({ oid, critical, value }) => encodeExtension(oid, critical, value)),
          ),
        ),
      ).length
      const header = crl.tbsDer[1]! >= 0x80 ? 2 + (crl.tbsDer[1]! & 0x7f) : 2
      const tbs = encode(
        sequence(
          crl.tbsDer.subarray(header, crl.tbsDer.length - length),
          element(0xa0, sequence(...extensions)),
        ),
      )
      const algorithm = crl.tbsDer.subarray(header + 3, header + 3 + 2 + crl.tbsDer[header + 4]!)
      return parseCrl(
        encode(sequence(tbs, algorithm, element(0x03, Uint8Array.of(0), root.signer.sign(tbs)))),
      )
    }
    const status = (extension: Uint8Array) => {
      const crl = withScope(extension)
      expect(verifyCrl(crl, root.certificate)).toBe(true)
      const [found] = validatePath({
        leaf: leaf.certificate,
        intermediates: [],
        anchors: [root.certificate],
        at: noon,
        crls: [crl],
      }).revocation
      return found?.status === 'unknown' ? found.rejected[0]?.reason : found?.status
    }
    expect(status(point(encode(implicit(1, yes))))).toBe('good')
    expect(status(point(encode(implicit(2, yes))))).toBe('scope')
    expect(status(point(encode(implicit(3, Uint8Array.of(1, 0x40)))))).toBe('scope')
    expect(status(point(encode(implicit(4, yes))))).toBe('indirect-crl')
    expect(status(point(encode(implicit(5, yes))))).toBe('scope')
    for (const critical of [true, false])
      expect(status(encodeExtension(OID.deltaCrlIndicator, critical, Uint8Array.of(2, 1, 1)))).toBe(
        'delta-crl',
      )
    expect(status(encodeExtension('1.2.3.4', true, octetString(yes)))).toBe('critical-extension')
    expect(status(encodeExtension('1.2.3.4', false, octetString(yes)))).toBe('good')
  })
})

describe.skipIf(!opensslIsHere())('openssl', () => {
  const bench = openBench()
  afterAll(() => bench.close())

  for (const algorithm of [
    'ecdsa-p384-sha384',
    'rsa-pkcs1-sha256',
    'rsa-pss-sha256',
    'ed25519',
  ] satisfies SignatureAlgorithm[])
    it(`verifies a list of ours under ${algorithm} and acts on it`, () => {
      const ca = makeRoot(algorithm)
      const [good, bad] = [makeChild(ca, 'event-signing'), makeChild(ca, 'event-signing')]
      const revoked = [
        {
          serial: Buffer.from(bad.certificate.serialHex, 'hex'),
          at: daysFromNoon(-1),
          reason: 'superseded' as const,
        },
      ]
      bench.put('ca.pem', toPem(ca.certificate.der, 'CERTIFICATE'))
      bench.put('good.pem', toPem(good.certificate.der, 'CERTIFICATE'))
      bench.put('bad.pem', toPem(bad.certificate.der, 'CERTIFICATE'))
      bench.put(
        'crl.pem',
        toPem(issueCrl({ ...fields, issuer: ca.certificate, number: 7, revoked }, ca.signer), 'X509 CRL'),
      )
      expect(bench.openssl('crl', '-in', 'crl.pem', '-CAfile', 'ca.pem', '-noout')).toContain('verify OK')
      expect(bench.openssl('crl', '-in', 'crl.pem', '-noout', '-text')).toContain('Superseded')
      const check = ['-crl_check', '-CRLfile', 'crl.pem', '-CAfile', 'ca.pem', ...attime(noon)]
      expect(bench.openssl('verify', ...check, 'good.pem')).toContain('OK')
      expect(bench.tryOpenssl('verify', ...check, 'bad.pem').output).toContain('certificate revoked')
    })

  it('makes a list that we read and verify', () => {
    bench.openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      'k.pem',
      '-out',
      'c.pem',
      '-days',
      '30',
      '-subj',
      '/CN=ca',
    )
    bench.put('index.txt', 'R\t300101000000Z\t260301120000Z,keyCompromise\t1234ABCD\tunknown\t/CN=x\n')
    bench.put('number', '0A')
    bench.put(
      'ca.cnf',
      '[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=sha512\n',
    )
    bench.openssl(
      'ca',
      '-config',
      'ca.cnf',
      '-gencrl',
      '-cert',
      'c.pem',
      '-keyfile',
      'k.pem',
      '-crldays',
      '7',
      '-out',
      'list.pem',
    )
    const crl = parseCrl(parsePem(Buffer.from(bench.read('list.pem')).toString(), 'X509 CRL')[0]!)
    expect(crl).toMatchObject({ number: 10n })
    expect(crl.revoked.get('1234abcd')).toEqual({ serialHex: '1234abcd', at: noon, reason: 'keyCompromise' })
    expect(verifyCrl(crl, parseCertificate(parsePem(Buffer.from(bench.read('c.pem')).toString())[0]!))).toBe(
      true,
    )
  })
})
