import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { attime, daysFromNoon, makeChild, makeRoot, nextSerial, noon } from '../testing/authority.ts'
import { openBench, opensslIsHere } from '../testing/openssl.ts'
import { fromHex, toHex } from './bytes.ts'
import { sm2Example, sm2Fault, sm2SecretOf, typescriptSm2 } from './crypto-sm2.ts'
import {
  buildCertificateRequest,
  buildSignedAttributes,
  buildSignedData,
  defaultSm2Identity,
  digest,
  generateSigner,
  generateSm2Key,
  issueCertificate,
  issueCrl,
  issueTimestampToken,
  keyFacts,
  parseCertificate,
  parseCertificateRequest,
  parseCrl,
  parsePem,
  parseSignedData,
  signDetached,
  signerFromKey,
  signerFromPem,
  sm2SignerFromPkcs8,
  sm2Status,
  toPem,
  validatePath,
  verifyCertificateRequest,
  verifyCertificateSignature,
  verifyCrl,
  verifySignedData,
  verifyTimestampToken,
} from './pki.ts'
import { nativeSm2 } from './sm2.node.ts'
import type { Sm2Engine } from './sm2-keys.ts'
import { sm2Digest, sm2IdentityInput, sm2PublicPoint, sm2SignDigest, sm2VerifyDigest } from './sm2.ts'
import { sm3 } from './sm3.ts'

const ascii = (text: string) => new TextEncoder().encode(text)

describe('SM3', () => {
  it('gives the digests of GB/T 32905-2016 annex A', () => {
    expect(toHex(sm3(ascii('abc')))).toBe('66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0')
    expect(toHex(sm3(ascii('abcd'.repeat(16))))).toBe(
      'debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732',
    )
  })

  it('in TypeScript agrees with the platform, however the content is cut', () => {
    expect(sm2Status()).toEqual({ sm2: 'native', sm3: 'native' })
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (chunks) => {
        expect(sm3(...chunks)).toEqual(digest('sm3', chunks))
      }),
    )
  })
})

describe('SM2', () => {
  const { secret, point, message, za, signature } = sm2Example
  const e = sm2Digest(point, defaultSm2Identity, [message])

  it('gives every figure of the example in GB/T 32918.5-2017 annex A', () => {
    expect(sm2PublicPoint(secret)).toEqual(point)
    expect(toHex(sm3(sm2IdentityInput(point, defaultSm2Identity)))).toBe(za)
    expect(toHex(e)).toBe('f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640')
    const k = 0x59276e27d506861a16680f3ad9c02dccef3cc1fa3cdbe4ce6d54b80deac1bc21n
    expect(sm2SignDigest(secret, e, [k])).toEqual(signature)
    expect(sm2VerifyDigest(point, e, signature)).toBe(true)
  })

  it('in TypeScript and in the platform accept and refuse the same', () => {
    const identity = fc.oneof(fc.string({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }))
    const flip = fc.option(fc.record({ at: fc.nat(), by: fc.integer({ min: 1, max: 255 }) }))
    const engines: readonly Sm2Engine[] = [nativeSm2, typescriptSm2]
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        identity,
        flip,
        fc.boolean(),
        (text, id, change, first) => {
          const { signer, pkcs8 } = generateSm2Key(id)
          const own = signer.spki.subarray(-65)
          const key = sm2SecretOf(pkcs8)!
          const made = engines[first ? 0 : 1]!.prepareSign(key, own, id)(text)
          const shown = made.map((octet, at) =>
            at === (change?.at ?? -1) % made.length ? octet ^ change!.by : octet,
          )
          const verdicts = engines.map((engine) => engine.verify(own, id, [text], shown))
          expect(verdicts[0]).toBe(verdicts[1])
          expect(verdicts[0]).toBe(change === null)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('never verifies with r or s out of range, a point off the curve, or other bytes around', () => {
    const pair = (r: string, s: string) => fromHex(`3008${r}${s}`)
    const zero = fromHex('3006020100020100')
    const order = 'fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123'
    const tooLarge = fromHex(`3046022100${order}022100${order}`)
    const off = point.map((octet, index) => (index === 64 ? octet ^ 1 : octet))
    for (const engine of [nativeSm2, typescriptSm2]) {
      for (const bad of [
        zero,
        tooLarge,
        new Uint8Array(),
        pair('02020001', '020101'),
        Uint8Array.of(...signature, 0),
      ])
        expect(engine.verify(point, defaultSm2Identity, [message], bad), engine.name).toBe(false)
      expect(engine.verify(off, defaultSm2Identity, [message], signature)).toBe(false)
      expect(engine.verify(new Uint8Array(65), defaultSm2Identity, [message], signature)).toBe(false)
    }
  })

  it('draws another nonce where one does not serve, and never the same for two messages', () => {
    const order = 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n
    // k = n - r makes r + k = n; found by the equation itself for k = 1: e chosen so that r = n - 1.
    const baseX = 0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7n
    const chosen = fromHex(((order - 1n - baseX + order) % order).toString(16).padStart(64, '0'))
    const made = sm2SignDigest(secret, chosen, [1n, 7n])
    expect(sm2VerifyDigest(point, chosen, made)).toBe(true)
    expect(() => sm2SignDigest(secret, chosen, [1n])).toThrowError(
      expect.objectContaining({ code: 'argument' }),
    )
    const sign = typescriptSm2.prepareSign(secret, point, defaultSm2Identity)
    expect(sign(message)).not.toEqual(sign(message))
  })

  it('passes its self-test, and a faulty engine does not', () => {
    expect(sm2Fault(nativeSm2)).toBeUndefined()
    expect(sm2Fault(typescriptSm2)).toBeUndefined()
    const faulty: readonly [string, Partial<Sm2Engine>][] = [
      ['public key', { publicPoint: () => new Uint8Array(65) }],
      ['does not verify', { verify: () => false }],
      ['altered', { verify: () => true }],
      // What the platform does when the identity is ignored.
      ['does not verify', { verify: (at, _id, text, made) => nativeSm2.verify(at, '', text, made) }],
      ['its own signature', { prepareSign: (key, at) => nativeSm2.prepareSign(key, at, '') }],
      [
        'no such digest',
        {
          prepareSign: () => () => {
            throw new Error('no such digest')
          },
        },
      ],
    ]
    for (const [fault, part] of faulty) expect(sm2Fault({ ...nativeSm2, ...part })).toContain(fault)
  })

  it('refuses keys out of range, other keys, and identities that are too long', () => {
    for (const bad of [new Uint8Array(32), new Uint8Array(32).fill(0xff), new Uint8Array(31).fill(1)])
      expect(() => sm2PublicPoint(bad)).toThrowError(expect.objectContaining({ code: 'argument' }))
    const other = generateSigner('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' })
    expect(() => sm2SignerFromPkcs8(other)).toThrowError(expect.objectContaining({ code: 'unsupported' }))
    expect(() => sm2IdentityInput(point, new Uint8Array(8192))).toThrowError(
      expect.objectContaining({ code: 'argument' }),
    )
  })

  it('keys travel as KeyObject, PKCS#8 and PEM, and are known for what they are', () => {
    const { signer, privateKey } = generateSigner('sm2-sm3')
    expect(keyFacts(signer.spki)).toEqual({ type: 'ec', bits: 256, curve: 'SM2', wellFormed: true })
    const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' })
    for (const again of [
      signerFromKey(privateKey),
      sm2SignerFromPkcs8(pkcs8),
      signerFromPem(toPem(pkcs8, 'PRIVATE KEY')),
    ])
      expect(again).toMatchObject({ algorithm: 'sm2-sm3', spki: signer.spki })
    expect(() => signerFromKey(privateKey, 'ecdsa-p256-sha256')).toThrowError(
      expect.objectContaining({ code: 'key-mismatch' }),
    )
    expect(() => signerFromPem(toPem(pkcs8, 'PRIVATE KEY'), 'ecdsa-p256-sha256')).toThrowError(
      expect.objectContaining({ code: 'key-mismatch' }),
    )
  })
})

describe('on a platform whose SM2 is missing or wrong', () => {
  const folder = resolve(import.meta.dirname, '..')
  /** Runs a program in a process of its own whose node:crypto was spoiled beforehand. */
  function run(spoil: string): unknown {
    const program = `
      import crypto from 'node:crypto'
      import { syncBuiltinESMExports } from 'node:module'
      ${spoil}
      syncBuiltinESMExports()
      const pki = await import('@yinxin/pki')
      const { signer, pkcs8 } = pki.generateSm2Key()
      const message = new TextEncoder().encode('message')
      const request = pki.buildCertificateRequest({ subject: { CN: 'x' } }, pki.signerFromPem(pki.toPem(pkcs8, 'PRIVATE KEY')))
      let refused
      try { pki.generateSigner('sm2-sm3') } catch ({ code }) { refused = code }
      console.log(JSON.stringify({
        status: pki.sm2Status(),
        verified: pki.verifyCertificateRequest(pki.parseCertificateRequest(request)),
        refused,
        digest: Buffer.from(pki.digest('sm3', new TextEncoder().encode('abc'))).toString('hex').slice(0, 8),
        spki: Buffer.from(signer.spki).toString('hex'),
        signature: Buffer.from(signer.sign(message)).toString('hex'),
      }))`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd: folder,
      encoding: 'utf8',
    })
    expect(stderr).toBe('')
    return JSON.parse(stdout)
  }
  const works = { verified: true, refused: 'unsupported', digest: '66c7f0f4' }

  it('the TypeScript one takes over, says so, and its signatures are good elsewhere', () => {
    const found = run(`const { createHash } = crypto
      crypto.createHash = (name) => { if (name === 'sm3') throw new Error('no sm3 here'); return createHash(name) }`)
    expect(found).toMatchObject({
      ...works,
      status: { sm2: 'typescript', sm3: 'typescript', fault: 'no sm3 here' },
    })
    const { spki, signature } = found as { spki: string; signature: string }
    const point = fromHex(spki).subarray(-65)
    expect(nativeSm2.verify(point, defaultSm2Identity, [ascii('message')], fromHex(signature))).toBe(true)
  })

  it('a platform that signs something else is found out', () => {
    const found = run(`const { createSign } = crypto
      crypto.createSign = (name) => createSign(name === 'sm3' ? 'sha256' : name)`)
    expect(found).toMatchObject({ ...works, status: { sm2: 'typescript', sm3: 'native' } })
  })
})

describe('structures under SM2', () => {
  const root = makeRoot('sm2-sm3')
  const person = makeChild(root, 'event-signing', 'sm2-sm3')
  const content = ascii('合同正文')

  it('certificates chain, and only under their identity', () => {
    const judge = (sm2Identity?: string) =>
      validatePath({
        leaf: person.certificate,
        intermediates: [],
        anchors: [root.certificate],
        at: noon,
        purpose: 'signing',
        ...(sm2Identity === undefined ? {} : { sm2Identity }),
      })
    expect(judge()).toMatchObject({ ok: true, problems: [] })
    expect(judge('somebody').problems[0]?.code).toBe('untrusted')
    expect(verifyCertificateSignature(person.certificate, root.certificate)).toBe(true)
    expect(person.certificate.signatureAlgorithm).toMatchObject({
      kind: 'sm2',
      digest: 'sm3',
      name: 'sm2-sm3',
    })
  })

  it('under another identity verify when it is given, in every structure', () => {
    const sm2Identity = 'ALICE123@YAHOO.COM'
    const { signer } = generateSm2Key(sm2Identity)
    const der = issueCertificate(
      {
        issuer: 'self',
        profile: 'root-ca',
        subject: { CN: 'Alice' },
        spki: signer.spki,
        serial: nextSerial(),
        notBefore: daysFromNoon(-1),
        notAfter: daysFromNoon(1),
      },
      signer,
    )
    const certificate = parseCertificate(der)
    const request = parseCertificateRequest(buildCertificateRequest({ subject: { CN: 'Alice' } }, signer))
    const crl = parseCrl(
      issueCrl(
        { issuer: certificate, number: 1, thisUpdate: noon, nextUpdate: daysFromNoon(1), revoked: [] },
        signer,
      ),
    )
    const signed = parseSignedData(
      signDetached({ digest: digest('sm3', content), signer, signingCertificate: der, certificates: [] }),
    )
    const verdicts = (options: { sm2Identity?: string }) => [
      verifyCertificateSignature(certificate, certificate, options),
      verifyCertificateRequest(request, options),
      verifyCrl(crl, certificate, options),
      verifySignedData(signed, { content, ...options }).ok,
    ]
    expect(verdicts({ sm2Identity })).toEqual([true, true, true, true])
    expect(verdicts({})).toEqual([false, false, false, false])
  })

  it('a container with a timestamp verifies, and not once a bit is changed', () => {
    const tsa = makeChild(root, 'timestamping', 'sm2-sm3')
    const container = signDetached({
      digest: digest('sm3', content),
      signer: person.signer,
      signingCertificate: person.certificate.der,
      certificates: [root.certificate.der],
      timestamp: (value, algorithm) =>
        issueTimestampToken(
          {
            messageImprint: { algorithm, digest: value },
            serial: nextSerial(),
            genTime: noon,
            policyOid: '1.2.3',
          },
          tsa.signer,
          tsa.certificate.der,
        ),
    })
    const signed = parseSignedData(container)
    const verified = verifySignedData(signed, { content })
    expect(verified).toMatchObject({ ok: true, problems: [], digestAlgorithm: 'sm3' })
    const { timestampTokens, signature } = signed.signers[0]!
    const over = { content: signature }
    expect(verifyTimestampToken(timestampTokens[0]!, over, { anchors: [root.certificate] })).toMatchObject({
      ok: true,
      problems: [],
    })
    expect(verifySignedData(signed, { content: ascii('合同正文。') }).problems[0]?.code).toBe(
      'digest-mismatch',
    )
  })

  it('a signature under the identifiers of GM/T 0010 is read', () => {
    const fields = {
      digestAlgorithm: 'sm3' as const,
      signingCertificate: person.certificate.der,
      digest: digest('sm3', content),
    }
    const signedAttributes = buildSignedAttributes(fields)
    const der = buildSignedData({
      ...fields,
      signedAttributes,
      signature: person.signer.sign(signedAttributes),
      signatureAlgorithm: 'sm2-sm3',
      certificates: [],
    })
    // SM2-1 (…301.1) for SM2-with-SM3 (…501): the same length but for one octet, so the outer lengths grow by one.
    const gm = (text: string) => text.replace('300a06082a811ccf55018375', '300b06092a811ccf5501822d01')
    const hex = toHex(der)
    const signerInfo = hex.lastIndexOf('300a06082a811ccf55018375')
    expect(signerInfo).toBeGreaterThan(0)
    const changed = fromHex(hex.slice(0, signerInfo) + gm(hex.slice(signerInfo)))
    const grown = growLengths(changed)
    const read = parseSignedData(grown)
    expect(read.signers[0]?.signatureAlgorithm.oid).toBe('1.2.156.10197.1.301.1')
    expect(verifySignedData(read, { content })).toMatchObject({ ok: true, problems: [] })
  })

  it('an SM2 key is not taken for ECDSA, nor the other way round', () => {
    const ec = generateSigner('ecdsa-p256-sha256').signer
    const asSm2 = { ...ec, algorithm: 'sm2-sm3' as const }
    const request = parseCertificateRequest(buildCertificateRequest({ subject: { CN: 'x' } }, asSm2))
    expect(verifyCertificateRequest(request)).toBe(false)
    const sm2 = { ...person.signer, algorithm: 'ecdsa-p256-sha256' as const }
    expect(
      verifyCertificateRequest(
        parseCertificateRequest(buildCertificateRequest({ subject: { CN: 'x' } }, sm2)),
      ),
    ).toBe(false)
  })
})

/** Adds one to the lengths of every element that encloses the last signer: two octets of length each. */
function growLengths(der: Uint8Array): Uint8Array {
  const grown = new Uint8Array(der)
  const enlarge = (at: number) =>
    new DataView(grown.buffer).setUint16(at + 2, ((grown[at + 2]! << 8) | grown[at + 3]!) + 1)
  const step = (at: number) => at + 4 + ((grown[at + 2]! << 8) | grown[at + 3]!)
  const short = (at: number) => at + 2 + grown[at + 1]!
  enlarge(0)
  const wrapper = short(4)
  enlarge(wrapper)
  const data = wrapper + 4
  enlarge(data)
  const certificates = short(short(short(data + 4)))
  const signers = step(certificates)
  enlarge(signers)
  enlarge(signers + 4)
  return grown
}

describe.skipIf(!opensslIsHere())('openssl', () => {
  const bench = openBench()
  afterAll(() => bench.close())
  const standard = `distid:${defaultSm2Identity}`

  it('verifies our signatures under any identity, and we verify its', () => {
    for (const identity of [defaultSm2Identity, 'ALICE123@YAHOO.COM']) {
      const { signer, pkcs8 } = generateSm2Key(identity)
      bench.put('key.pem', toPem(pkcs8, 'PRIVATE KEY'))
      bench.put('pub.pem', toPem(signer.spki, 'PUBLIC KEY'))
      bench.put('message', 'message digest')
      const message = ascii('message digest')
      for (const engine of [nativeSm2, typescriptSm2]) {
        bench.put(
          'sig',
          engine.prepareSign(sm2SecretOf(pkcs8)!, signer.spki.subarray(-65), identity)(message),
        )
        const distid = ['-sigopt', `distid:${identity}`]
        expect(
          bench.openssl('dgst', '-sm3', '-verify', 'pub.pem', ...distid, '-signature', 'sig', 'message'),
        ).toContain('Verified OK')
        expect(
          bench.openssl(
            'pkeyutl',
            '-verify',
            '-rawin',
            '-digest',
            'sm3',
            '-pubin',
            '-inkey',
            'pub.pem',
            '-pkeyopt',
            `distid:${identity}`,
            '-sigfile',
            'sig',
            '-in',
            'message',
          ),
        ).toContain('Verified Successfully')
      }
      bench.openssl(
        'dgst',
        '-sm3',
        '-sign',
        'key.pem',
        '-sigopt',
        `distid:${identity}`,
        '-out',
        'theirs',
        'message',
      )
      for (const engine of [nativeSm2, typescriptSm2])
        expect(engine.verify(signer.spki.subarray(-65), identity, [message], bench.read('theirs'))).toBe(true)
    }
  })

  it('verifies our certificates, requests and lists', () => {
    const root = makeRoot('sm2-sm3')
    const person = makeChild(root, 'event-signing', 'sm2-sm3')
    bench.put('root.pem', toPem(root.certificate.der, 'CERTIFICATE'))
    bench.put('leaf.pem', toPem(person.certificate.der, 'CERTIFICATE'))
    const verify = ['verify', '-vfyopt', standard, '-CAfile', 'root.pem', ...attime(noon)]
    expect(bench.openssl(...verify, 'leaf.pem')).toContain('OK')
    expect(
      bench.tryOpenssl('verify', '-vfyopt', 'distid:x', '-CAfile', 'root.pem', ...attime(noon), 'leaf.pem')
        .status,
    ).not.toBe(0)
    expect(bench.openssl('x509', '-in', 'leaf.pem', '-noout', '-text')).toContain('SM2-with-SM3')
    bench.put(
      'r.pem',
      toPem(buildCertificateRequest({ subject: { CN: '王五' } }, person.signer), 'CERTIFICATE REQUEST'),
    )
    expect(bench.openssl('req', '-in', 'r.pem', '-verify', '-vfyopt', standard, '-noout')).toContain(
      'verify OK',
    )
    const fields = {
      issuer: root.certificate,
      number: 1,
      thisUpdate: noon,
      nextUpdate: daysFromNoon(7),
      revoked: [],
    }
    bench.put('crl.pem', toPem(issueCrl(fields, root.signer), 'X509 CRL'))
    expect(bench.openssl('crl', '-in', 'crl.pem', '-noout', '-text')).toContain('SM2-with-SM3')
  })

  it('makes a key, certificate and request that we read and verify', () => {
    bench.openssl('genpkey', '-algorithm', 'SM2', '-out', 'k.pem')
    const signing = ['-key', 'k.pem', '-sm3', '-sigopt', standard, '-subj', '/CN=openssl']
    bench.openssl('req', '-x509', '-new', ...signing, '-days', '30', '-out', 'c.pem')
    bench.openssl('req', '-new', ...signing, '-out', 'q.pem')
    const text = (name: string) => Buffer.from(bench.read(name)).toString()
    const certificate = parseCertificate(parsePem(text('c.pem'))[0]!)
    expect(verifyCertificateSignature(certificate, certificate)).toBe(true)
    expect(verifyCertificateSignature(certificate, certificate, { sm2Identity: 'x' })).toBe(false)
    expect(verifyCertificateRequest(parseCertificateRequest(parsePem(text('q.pem'))[0]!))).toBe(true)
    expect(signerFromPem(text('k.pem')).spki).toEqual(certificate.spki)
  })
})
