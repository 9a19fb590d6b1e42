/** Bare Ed25519 keys of 32 octets, as notes and logs carry them (C2SP signed-note). */
import { bitString, encode, oid, sequence } from './der-write.ts'
import { equalBytes } from './bytes.ts'
import { checkSignature } from './crypto.ts'
import { OID } from './oids.ts'

const scheme = { kind: 'ed25519', oid: OID.ed25519, name: 'ed25519' } as const
const KEY_BYTES = 32

const spkiOf = (key: Uint8Array): Uint8Array => encode(sequence(sequence(oid(OID.ed25519)), bitString(key)))
const header = spkiOf(new Uint8Array(KEY_BYTES)).subarray(0, -KEY_BYTES)

/** The 32 octets of a SubjectPublicKeyInfo (RFC 8410 §4), or undefined for a key of another kind. */
export function ed25519KeyBytes(spki: Uint8Array): Uint8Array | undefined {
  const fits =
    spki.length === header.length + KEY_BYTES && equalBytes(spki.subarray(0, header.length), header)
  return fits ? spki.subarray(header.length) : undefined
}

/** Checks an Ed25519 signature (RFC 8032 §5.1.7). Never throws on bad input. */
export function verifyEd25519(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return key.length === KEY_BYTES && checkSignature(scheme, spkiOf(key), message, signature) === 'good'
}
