/** Keys and certificates on a token: found, described, their public halves read. */
import { createPublicKey } from 'node:crypto'
import type { Handle, PKCS11 } from 'pkcs11js'
import { parseCertificate } from '@yinxin/pki'
import { CKA, CKK, CKO, CKR } from './pkcs11-constants.ts'
import { codeOf } from './pkcs11-library.ts'
import { SignerError } from './signer-error.ts'

export type Pkcs11Kind = 'private' | 'public' | 'secret' | 'certificate'

const classes: Record<Pkcs11Kind, number> = {
  certificate: CKO.certificate,
  public: CKO.publicKey,
  private: CKO.privateKey,
  secret: CKO.secretKey,
}
const kinds = Object.keys(classes) as Pkcs11Kind[]

const keyTypes: Record<number, 'rsa' | 'ec' | 'ed25519' | 'aes'> = {
  [CKK.rsa]: 'rsa',
  [CKK.ec]: 'ec',
  [CKK.ecEdwards]: 'ed25519',
  [CKK.aes]: 'aes',
}

/** An object on the token. It stays good when the session is opened again. */
export interface Pkcs11Object {
  readonly kind: Pkcs11Kind
  readonly label: string
  /** CKA_ID in hexadecimal: key pair and certificate share it. */
  readonly id: string
  /** Undefined for certificates and for types that are not used here. */
  readonly type: 'rsa' | 'ec' | 'ed25519' | 'aes' | undefined
}

/** Which objects; what is left out matches all. */
export interface Pkcs11Query {
  readonly kind?: Pkcs11Kind
  readonly label?: string
  /** Hexadecimal. */
  readonly id?: string
}

/** Handles of all objects that match, with their descriptions. */
export function findObjects(
  native: PKCS11,
  session: Handle,
  query: Pkcs11Query,
): { handle: Handle; object: Pkcs11Object }[] {
  const template = [
    ...(query.kind === undefined ? [] : [{ type: CKA.class, value: classes[query.kind] }]),
    ...(query.label === undefined ? [] : [{ type: CKA.label, value: query.label }]),
    ...(query.id === undefined ? [] : [{ type: CKA.id, value: Buffer.from(query.id, 'hex') }]),
  ]
  native.C_FindObjectsInit(session, template)
  const handles: Handle[] = []
  try {
    for (;;) {
      const some = native.C_FindObjects(session, 100)
      handles.push(...some)
      if (some.length < 100) break
    }
  } finally {
    native.C_FindObjectsFinal(session)
  }
  return handles.flatMap((handle) => {
    const object = describe(native, session, handle)
    return object === undefined ? [] : [{ handle, object }]
  })
}

function describe(native: PKCS11, session: Handle, handle: Handle): Pkcs11Object | undefined {
  const value = (type: number) => attribute(native, session, handle, type)
  const kind = kinds.find((name) => classes[name] === numberOf(value(CKA.class)))
  if (kind === undefined) return undefined
  return {
    kind,
    label: value(CKA.label)?.toString('utf8') ?? '',
    id: value(CKA.id)?.toString('hex') ?? '',
    type: kind === 'certificate' ? undefined : keyTypes[numberOf(value(CKA.keyType)) ?? -1],
  }
}

/** One attribute, or undefined where the object has none or does not show it. */
export function attribute(native: PKCS11, session: Handle, handle: Handle, type: number): Buffer | undefined {
  try {
    return native.C_GetAttributeValue(session, handle, [{ type }])[0]?.value
  } catch (error) {
    const code = codeOf(error)
    if (code === CKR.attributeTypeInvalid || code === CKR.attributeSensitive) return undefined
    throw error
  }
}

/** CK_ULONG in the machine's order. */
function numberOf(value: Buffer | undefined): number | undefined {
  if (value === undefined || value.length === 0) return undefined
  return value.readUIntLE(0, Math.min(value.length, 6))
}

/** DER of the certificates on the token that match. */
export function certificatesOf(
  native: PKCS11,
  session: Handle,
  query: Omit<Pkcs11Query, 'kind'>,
): Uint8Array[] {
  return findObjects(native, session, { ...query, kind: 'certificate' }).flatMap(({ handle }) => {
    const value = attribute(native, session, handle, CKA.value)
    return value === undefined ? [] : [new Uint8Array(value)]
  })
}

/**
 * SubjectPublicKeyInfo of a private key: from its own numbers, its public half or the certificate with its id.
 * @throws SignerError `public_key_missing`
 */
export function spkiOf(
  native: PKCS11,
  session: Handle,
  key: { handle: Handle; object: Pkcs11Object },
): Uint8Array {
  const { id, label, type } = key.object
  const halves = id === '' ? { label } : { id }
  const siblings = findObjects(native, session, { ...halves, kind: 'public' }).filter(
    ({ object }) => object.type === type,
  )
  for (const { handle } of [...siblings, key]) {
    const spki = spkiFromNumbers(native, session, handle, type)
    if (spki !== undefined) return spki
  }
  const [certificate] = certificatesOf(native, session, halves)
  if (certificate === undefined) throw new SignerError('public_key_missing', `${label} ${id}`.trim())
  return parseCertificate(certificate).spki
}

function spkiFromNumbers(
  native: PKCS11,
  session: Handle,
  handle: Handle,
  type: Pkcs11Object['type'],
): Uint8Array | undefined {
  const value = (name: number) => attribute(native, session, handle, name)
  if (type === 'rsa') {
    const [n, e] = [value(CKA.modulus), value(CKA.publicExponent)]
    if (!n?.length || !e?.length) return undefined
    return spkiOfJwk({ kty: 'RSA', n: base64url(stripZeros(n)), e: base64url(stripZeros(e)) })
  }
  const given = value(CKA.ecPoint)
  if (!given?.length) return undefined
  if (type === 'ed25519') {
    const point = octets(given, 32)
    return point && spkiOfJwk({ kty: 'OKP', crv: 'Ed25519', x: base64url(point) })
  }
  const curve = curveOf(value(CKA.ecParams))
  if (curve === undefined) return undefined
  const { name: crv, octets: size } = curve
  const point = octets(given, 1 + 2 * size)
  if (point === undefined || point[0] !== 4) return undefined
  const [x, y] = [point.subarray(1, 1 + size), point.subarray(1 + size)]
  return spkiOfJwk({ kty: 'EC', crv, x: base64url(x), y: base64url(y) })
}

/** CKA_EC_POINT is an OCTET STRING in DER (PKCS#11 §2.3.3); some tokens give the bare point. */
function octets(given: Buffer, size: number): Buffer | undefined {
  if (given.length === size) return given
  const header = given.length - size
  return header >= 2 && given[0] === 0x04 ? given.subarray(header) : undefined
}

const curves = [
  { name: 'P-256', octets: 32, parameters: '06082a8648ce3d030107' },
  { name: 'P-384', octets: 48, parameters: '06052b81040022' },
]

/** The named curve of CKA_EC_PARAMS. */
const curveOf = (parameters: Buffer | undefined) =>
  curves.find((curve) => curve.parameters === parameters?.toString('hex'))

const base64url = (bytes: Buffer): string => bytes.toString('base64url')
const stripZeros = (bytes: Buffer): Buffer => {
  const first = bytes.findIndex((octet) => octet !== 0)
  return first <= 0 ? bytes : bytes.subarray(first)
}

const spkiOfJwk = (key: Record<string, string>): Uint8Array =>
  new Uint8Array(createPublicKey({ key, format: 'jwk' }).export({ format: 'der', type: 'spki' }))
