import { ed25519KeyBytes, type Signer, verifyEd25519 } from '@yinxin/pki'
import { concatBytes, fromBase64, fromHex, fromUtf8, sha256, toBase64, toHex, utf8 } from './bytes.ts'
import { EvidenceError } from './evidence-error.ts'

/** Signature types of C2SP signed-note: a log signs as `ed25519`, a witness as `cosignature/v1`. */
const TYPE_ED25519 = 0x01
const TYPE_COSIGNATURE_V1 = 0x04
const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
const NOTE_CHARS_MAX = 64 * 1024
const SIGNATURES_MAX = 32
/** A public key of a log or a witness, as a vkey line carries it. */
export interface NoteKey {
  name: string
  role: 'log' | 'witness'
  /** First four bytes of SHA-256(name ‖ "\n" ‖ type ‖ key), hexadecimal. */
  keyId: string
  publicKey: Uint8Array
}

/** Signs notes under a name; the key is an Ed25519 {@link Signer}. */
export interface NoteSigner {
  name: string
  signer: Signer
}

export interface Checkpoint {
  origin: string
  size: number
  root: Uint8Array
  /** Further lines, opaque. */
  extensions: string[]
}

/** A signature line that was checked against a known key. */
export interface CheckedSignature {
  key: NoteKey
  /** When a witness cosigned; a log's own signature has no time. */
  at: Date | null
}

export interface OpenedNote {
  /** The signed text, final newline included. */
  body: string
  /** Every signature by a known key, all of them good. */
  signatures: CheckedSignature[]
  /** Signature lines by keys that were not given. */
  unknown: { name: string; keyId: string }[]
}

export interface OpenedCheckpoint extends OpenedNote {
  checkpoint: Checkpoint
}

/** The vkey of a signer: `name+keyid+base64`, the form in which anchors are handed out. */
export function encodeVkey(noteSigner: NoteSigner, role: 'log' | 'witness' = 'log'): string {
  const key = noteKey(noteSigner.name, role, rawPublicKey(noteSigner.signer))
  return `${key.name}+${key.keyId}+${toBase64(concatBytes([Uint8Array.of(typeOf(role)), key.publicKey]))}`
}

/** Reads a vkey; its key id must be the one that follows from the key. @throws EvidenceError `bad_note` */
export function parseVkey(text: string): NoteKey {
  // The base64 part may hold plus signs itself; a name never does.
  const match = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/s.exec(text)
  if (match === null) throw new EvidenceError('bad_note', 'a vkey has the form name+keyid+key')
  const [, name = '', keyId = '', encoded = ''] = match
  const bytes = fromBase64(encoded)
  if (bytes === null || bytes.length !== 1 + KEY_BYTES)
    throw new EvidenceError('bad_note', 'vkey is not of an Ed25519 key')
  const role = bytes[0] === TYPE_ED25519 ? 'log' : bytes[0] === TYPE_COSIGNATURE_V1 ? 'witness' : null
  if (role === null) throw new EvidenceError('bad_note', `signature type ${bytes[0]} is not known`)
  const key = noteKey(name, role, bytes.subarray(1))
  if (key.keyId !== keyId)
    throw new EvidenceError('bad_note', 'key id of the vkey does not follow from its key')
  return key
}

/** Reads the vkeys of a file, one a line; empty lines and lines after `#` are skipped. @throws EvidenceError */
export function parseVkeys(text: string): NoteKey[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map(parseVkey)
}

/** Text of a checkpoint signed by its log (C2SP tlog-checkpoint). @throws EvidenceError `bad_note` */
export function signCheckpoint(
  checkpoint: { origin: string; size: number; root: Uint8Array; extensions?: string[] },
  signer: NoteSigner,
): string {
  const body = checkpointBody(checkpoint)
  return `${body}\n${signatureLine(signer, 'log', signer.signer.sign(utf8(body)))}`
}

/**
 * Adds a witness's cosignature/v1 (C2SP tlog-cosignature) at the end of a checkpoint. The witness must have
 * checked consistency with everything it saw before and stored the new size first.
 */
export function cosignCheckpoint(text: string, witness: NoteSigner, at: Date): string {
  return text + makeCosignature(text, witness, at)
}

/** The cosignature line alone, as a witness returns it to a log. */
export function makeCosignature(text: string, witness: NoteSigner, at: Date): string {
  const { body } = splitNote(text)
  parseCheckpointBody(body)
  const seconds = Math.floor(at.getTime() / 1000)
  if (seconds < 0) throw new EvidenceError('bad_note', 'cosignature before 1970')
  const time = new Uint8Array(8)
  new DataView(time.buffer).setBigUint64(0, BigInt(seconds))
  const signature = witness.signer.sign(cosignedMessage(body, BigInt(seconds)))
  return signatureLine(witness, 'witness', concatBytes([time, signature]))
}

/**
 * Splits a signed note and checks every signature made by a known key; at least one must be there, and a bad
 * one refuses the note.
 *
 * @throws EvidenceError `bad_note`
 */
export function openNote(text: string, keys: readonly (NoteKey | string)[]): OpenedNote {
  const known = keys.map((key) => (typeof key === 'string' ? parseVkey(key) : key))
  const { body, signatures } = splitNote(text)
  const opened: OpenedNote = { body, signatures: [], unknown: [] }
  for (const signature of signatures) {
    const key = known.find((one) => one.name === signature.name && one.keyId === signature.keyId)
    if (key === undefined) opened.unknown.push({ name: signature.name, keyId: signature.keyId })
    else opened.signatures.push(checkSignature(key, body, signature.bytes))
  }
  if (opened.signatures.length === 0) throw new EvidenceError('bad_note', 'note is not signed by a known key')
  return opened
}

/**
 * Opens the note of a checkpoint. A log signature must come from a known key whose name is the checkpoint's
 * origin; witnesses alone do not make a checkpoint.
 *
 * @throws EvidenceError `bad_note`
 */
export function openCheckpoint(text: string, keys: readonly (NoteKey | string)[]): OpenedCheckpoint {
  const note = openNote(text, keys)
  const checkpoint = parseCheckpointBody(note.body)
  if (!note.signatures.some(({ key }) => key.role === 'log' && key.name === checkpoint.origin)) {
    throw new EvidenceError('bad_note', 'checkpoint is not signed by a known key of its log')
  }
  return { ...note, checkpoint }
}

/** Reads a checkpoint without judging its signatures: for looking at it only. @throws EvidenceError `bad_note` */
export function parseCheckpoint(text: string): Checkpoint {
  return parseCheckpointBody(splitNote(text).body)
}

function checkSignature(key: NoteKey, body: string, bytes: Uint8Array): CheckedSignature {
  if (key.role === 'log') {
    if (!verifyEd25519(key.publicKey, utf8(body), bytes)) {
      throw new EvidenceError('bad_note', `signature of log ${key.name} is wrong`)
    }
    return { key, at: null }
  }
  if (bytes.length !== 8 + SIGNATURE_BYTES)
    throw new EvidenceError('bad_note', 'cosignature has a wrong length')
  const seconds = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)
  // Beyond this a Date cannot name the second; it is also centuries away.
  if (seconds > 8_640_000_000_000n) throw new EvidenceError('bad_note', 'cosignature has an impossible time')
  if (!verifyEd25519(key.publicKey, cosignedMessage(body, seconds), bytes.subarray(8))) {
    throw new EvidenceError('bad_note', `cosignature of witness ${key.name} is wrong`)
  }
  return { key, at: new Date(Number(seconds) * 1000) }
}

function cosignedMessage(body: string, seconds: bigint): Uint8Array {
  return utf8(`cosignature/v1\ntime ${seconds}\n${body}`)
}

function checkpointBody(checkpoint: {
  origin: string
  size: number
  root: Uint8Array
  extensions?: string[]
}): string {
  if (checkpoint.root.length !== 32) throw new EvidenceError('bad_note', 'a root hash has 32 bytes')
  if (!Number.isSafeInteger(checkpoint.size) || checkpoint.size < 0)
    throw new EvidenceError('bad_note', 'bad tree size')
  const lines = [
    checkpoint.origin,
    String(checkpoint.size),
    toBase64(checkpoint.root),
    ...(checkpoint.extensions ?? []),
  ]
  if (lines.some((line) => !isPlainLine(line)))
    throw new EvidenceError('bad_note', 'empty or unprintable checkpoint line')
  return `${lines.join('\n')}\n`
}

function parseCheckpointBody(body: string): Checkpoint {
  const lines = body.slice(0, -1).split('\n')
  const [origin = '', sizeText = '', rootText = '', ...extensions] = lines
  const root = fromBase64(rootText)
  const size = Number(sizeText)
  if (lines.some((line) => line === '')) throw new EvidenceError('bad_note', 'checkpoint has an empty line')
  if (!/^(0|[1-9]\d*)$/.test(sizeText) || !Number.isSafeInteger(size))
    throw new EvidenceError('bad_note', 'bad tree size')
  if (root === null || root.length !== 32) throw new EvidenceError('bad_note', 'bad root hash')
  return { origin, size, root, extensions }
}

interface SignatureLine {
  name: string
  keyId: string
  bytes: Uint8Array
}

/** Splits a signed note (C2SP signed-note) at its last empty line. */
function splitNote(text: string): { body: string; signatures: SignatureLine[] } {
  if (text.length > NOTE_CHARS_MAX) throw new EvidenceError('bad_note', 'note is too long')
  if (fromUtf8(utf8(text)) !== text) throw new EvidenceError('bad_note', 'note is not valid Unicode')
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 && code !== 0x0a) throw new EvidenceError('bad_note', 'note holds a control character')
  }
  const cut = text.lastIndexOf('\n\n')
  if (cut < 0 || !text.endsWith('\n')) throw new EvidenceError('bad_note', 'not a signed note')
  const body = text.slice(0, cut + 1)
  const lines = text.slice(cut + 2, -1).split('\n')
  if (lines.length > SIGNATURES_MAX) throw new EvidenceError('bad_note', 'too many signatures')
  return { body, signatures: lines.map(parseSignatureLine) }
}

function parseSignatureLine(line: string): SignatureLine {
  const match = /^— (\S+) (\S+)$/u.exec(line)
  const name = match?.[1] ?? ''
  const bytes = fromBase64(match?.[2] ?? '')
  if (!isKeyName(name) || bytes === null || bytes.length <= 4)
    throw new EvidenceError('bad_note', 'bad signature line')
  return { name, keyId: toHex(bytes.subarray(0, 4)), bytes: bytes.subarray(4) }
}

function signatureLine(signer: NoteSigner, role: 'log' | 'witness', signature: Uint8Array): string {
  const key = noteKey(signer.name, role, rawPublicKey(signer.signer))
  const id = fromHex(key.keyId) as Uint8Array
  return `— ${key.name} ${toBase64(concatBytes([id, signature]))}\n`
}

function noteKey(name: string, role: 'log' | 'witness', publicKey: Uint8Array): NoteKey {
  if (!isKeyName(name)) throw new EvidenceError('bad_note', 'a key name has neither spaces nor plus signs')
  const id = sha256(utf8(`${name}\n`), Uint8Array.of(typeOf(role)), publicKey).subarray(0, 4)
  return { name, role, keyId: toHex(id), publicKey }
}

function typeOf(role: 'log' | 'witness'): number {
  return role === 'log' ? TYPE_ED25519 : TYPE_COSIGNATURE_V1
}

function rawPublicKey(signer: Signer): Uint8Array {
  const { spki } = signer
  const key = ed25519KeyBytes(spki)
  if (key === undefined) throw new EvidenceError('bad_note', 'notes are signed with Ed25519 keys only')
  return key
}

function isKeyName(name: string): boolean {
  return name !== '' && isPlainLine(name) && !/[\s+]/u.test(name)
}

function isPlainLine(line: string): boolean {
  if (line === '' || fromUtf8(utf8(line)) !== line) return false
  for (let i = 0; i < line.length; i++) if (line.charCodeAt(i) < 0x20) return false
  return true
}
