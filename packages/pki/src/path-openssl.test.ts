/** Policies and name constraints against the verdicts of openssl, on chains made at random. */
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { attime, caExtensions, makeRoot, noon, oddCertificate } from '../testing/authority.ts'
import { openBench, opensslIsHere } from '../testing/openssl.ts'
import { element, encode, implicit, integer, oid, sequence } from './der-write.ts'
import { encodeExtension, encodePolicies, encodeSubjectAltNames } from './extensions.ts'
import { generateSigner, OID, type PathResult, type SubjectAltName, toPem, validatePath } from './pki.ts'

const root = makeRoot('ecdsa-p256-sha256')
const signers = [0, 1, 2].map(() => generateSigner('ecdsa-p256-sha256').signer)
const [one, two, three] = ['1.3.6.1.4.1.99999.1', '1.3.6.1.4.1.99999.2', '1.3.6.1.4.1.99999.3'] as [
  string,
  string,
  string,
]

const codesOf = (result: PathResult, code: string) =>
  result.problems.filter((found) => found.code === code).length

describe.skipIf(!opensslIsHere())('openssl agrees', () => {
  const bench = openBench()
  afterAll(() => bench.close())
  bench.put('root.pem', toPem(root.certificate.der, 'CERTIFICATE'))

  /** A chain of two CAs and a leaf, verified by both. */
  function verify(extensions: readonly [Uint8Array[], Uint8Array[], Uint8Array[]], options: string[]) {
    const first = oddCertificate(root, {
      subject: { CN: '一 级' },
      signer: signers[0]!,
      extensions: caExtensions(undefined, ...extensions[0]),
    })
    const second = oddCertificate(first, {
      subject: { CN: '二 级' },
      signer: signers[1]!,
      extensions: caExtensions(undefined, ...extensions[1]),
    })
    const leaf = oddCertificate(second, {
      subject: { CN: '张 三' },
      signer: signers[2]!,
      extensions: extensions[2],
    })
    bench.put(
      'cas.pem',
      [first, second].map(({ certificate }) => toPem(certificate.der, 'CERTIFICATE')).join(''),
    )
    bench.put('leaf.pem', toPem(leaf.certificate.der, 'CERTIFICATE'))
    const judged = bench.tryOpenssl(
      'verify',
      ...options,
      '-CAfile',
      'root.pem',
      '-untrusted',
      'cas.pem',
      ...attime(noon),
      'leaf.pem',
    )
    const path = {
      leaf: leaf.certificate,
      intermediates: [first.certificate, second.certificate],
      anchors: [root.certificate],
      at: noon,
    }
    return { path, judged }
  }

  it('about policies', () => {
    const policy = fc.constantFrom(one, two, three, OID.anyPolicy)
    const policies = fc.option(fc.uniqueArray(policy, { minLength: 1, maxLength: 3 }), { freq: 8 })
    const named = fc.constantFrom(one, two, three)
    const mapping = fc.option(
      fc.uniqueArray(fc.tuple(named, named), { minLength: 1, maxLength: 2, selector: ([from]) => from }),
    )
    const count = fc.option(fc.nat(1))
    const level = fc.record({ policies, mapping, explicit: count, noMapping: count, noAny: count })
    const arbitrary = fc.record({
      levels: fc.tuple(level, level, level),
      wanted: fc.option(fc.uniqueArray(named, { minLength: 1, maxLength: 2 })),
      explicit: fc.boolean(),
      noMapping: fc.boolean(),
      noAny: fc.boolean(),
    })
    const encodeLevel = (
      given: (typeof arbitrary extends fc.Arbitrary<infer T> ? T : never)['levels'][0],
      isLeaf: boolean,
    ) => {
      const list: Uint8Array[] = []
      if (given.policies !== null) list.push(encodePolicies(given.policies))
      if (isLeaf) return list
      if (given.mapping !== null) {
        const pairs = given.mapping.map(([from, to]) => sequence(oid(from), oid(to)))
        list.push(encodeExtension(OID.policyMappings, true, sequence(...pairs)))
      }
      const limits = [given.explicit, given.noMapping].flatMap((skip, tag) =>
        skip === null ? [] : [encode(implicit(tag, Uint8Array.of(skip)))],
      )
      if (limits.length > 0) list.push(encodeExtension(OID.policyConstraints, true, sequence(...limits)))
      if (given.noAny !== null) list.push(encodeExtension(OID.inhibitAnyPolicy, true, integer(given.noAny)))
      return list
    }
    const verdicts = { good: 0, bad: 0 }
    fc.assert(
      fc.property(arbitrary, ({ levels, wanted, explicit, noMapping, noAny }) => {
        // Where any policy is inhibited but stated, openssl still maps from it; RFC 5280 §6.1.4 b has no node then.
        const mapsFromAny = levels.some(
          ({ policies: stated, mapping: maps }) => maps !== null && stated?.includes(OID.anyPolicy),
        )
        const inhibited = noAny || levels.some(({ noAny: skip }) => skip !== null)
        fc.pre(!(mapsFromAny && inhibited))
        const options = ['-policy_check']
        // Told nothing, openssl accepts no policy; RFC 5280 §6.1.1 c begins with any.
        for (const policyOid of wanted ?? [OID.anyPolicy]) options.push('-policy', policyOid)
        if (explicit) options.push('-explicit_policy')
        if (noMapping) options.push('-inhibit_map')
        if (noAny) options.push('-inhibit_any')
        const [first, second, last] = levels
        const { path, judged } = verify(
          [encodeLevel(first, false), encodeLevel(second, false), encodeLevel(last, true)],
          options,
        )
        const ours = validatePath({
          ...path,
          requireExplicitPolicy: explicit,
          inhibitPolicyMapping: noMapping,
          inhibitAnyPolicy: noAny,
          ...(wanted === null ? {} : { acceptablePolicies: wanted }),
        })
        verdicts[ours.ok ? 'good' : 'bad'] += 1
        expect({ ok: ours.ok, output: judged.output }).toEqual({
          ok: judged.status === 0,
          output: judged.output,
        })
      }),
      { numRuns: 100, seed: 20260301 },
    )
    // A test of which every case went one way would show nothing.
    expect(Math.min(verdicts.good, verdicts.bad)).toBeGreaterThan(5)
  })

  it('about name constraints', () => {
    const host = fc.constantFrom(
      'example.cn',
      'www.example.cn',
      'notexample.cn',
      'sub.www.example.cn',
      'other.cn',
    )
    const base = fc.oneof(
      host,
      host.map((name) => `.${name}`),
    )
    const name: fc.Arbitrary<SubjectAltName> = fc.oneof(
      host.map((value) => ({ type: 'dns' as const, value })),
      host.map((value) => ({ type: 'email' as const, value: `a@${value}` })),
      host.map((value) => ({ type: 'uri' as const, value: `https://${value}/x` })),
    )
    const tags = { email: 1, dns: 2, uri: 6 }
    const constraint = fc
      .record({ tag: fc.constantFrom(...Object.values(tags)), base })
      .map(({ tag, base: value }) => encode(sequence(implicit(tag, new TextEncoder().encode(value)))))
    const lists = fc.record({
      permitted: fc.array(constraint, { maxLength: 2 }),
      excluded: fc.array(constraint, { maxLength: 1 }),
      names: fc.array(name, { minLength: 1, maxLength: 2 }),
    })
    const verdicts = { good: 0, bad: 0 }
    fc.assert(
      fc.property(lists, ({ permitted, excluded, names }) => {
        const parts = [
          ...(permitted.length > 0 ? [element(0xa0, ...permitted)] : []),
          ...(excluded.length > 0 ? [element(0xa1, ...excluded)] : []),
        ]
        const limits =
          parts.length === 0 ? [] : [encodeExtension(OID.nameConstraints, true, sequence(...parts))]
        const { path, judged } = verify([limits, [], [encodeSubjectAltNames(names)]], [])
        const ours = validatePath(path)
        verdicts[codesOf(ours, 'name-constraints') === 0 ? 'good' : 'bad'] += 1
        expect({ ok: ours.ok, output: judged.output }).toEqual({
          ok: judged.status === 0,
          output: judged.output,
        })
      }),
      { numRuns: 100, seed: 20260301 },
    )
    expect(Math.min(verdicts.good, verdicts.bad)).toBeGreaterThan(5)
  })
})
