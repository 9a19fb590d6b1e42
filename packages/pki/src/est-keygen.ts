/** The rarer half of EST (RFC 7030): what a CA wants in a request, and keys that it makes. */
import type { Certificate } from './certificate.ts'
import { signerFromPem } from './crypto.ts'
import { childrenOf, encodingOf, enter, finish, readOid, readOnly, take } from './der-read.ts'
import { PkiError } from './errors.ts'
import {
  type EstAnswer,
  type EstMessage,
  type EstResult,
  type EstServer,
  estAddress,
  estEnrollRequest,
  fromEstBody,
  parseCertsOnly,
  parseEstAnswer,
} from './est.ts'
import { mediaType } from './http-port.ts'
import { toPem } from './pem.ts'

/** §4.5.2: identifiers wanted as they are, and attributes with the values that are wanted. */
export interface EstAttributes {
  readonly oids: readonly string[]
  readonly attributes: readonly { readonly oid: string; readonly values: readonly Uint8Array[] }[]
}

const none: EstAttributes = { oids: [], attributes: [] }

/** Asks what a request should hold (§4.5.1). */
export const estCsrAttrsRequest = (server: EstServer): EstMessage => ({
  method: 'GET',
  url: estAddress(server, 'csrattrs'),
  headers: { accept: 'application/csrattrs' },
})

/** Reads the answer; a server without wishes says 204 or 404 (§4.5.2). @throws PkiError */
export function parseEstCsrAttrs({ status, headers, body }: EstAnswer): EstAttributes {
  if (status === 204 || status === 404) return none
  if (status !== 200) throw new PkiError('unavailable', `the CA refused: ${status}`)
  const type = headers.get('content-type')
  if (mediaType(type) !== 'application/csrattrs')
    throw new PkiError('structure', `an EST answer of the type "${type ?? ''}"`)
  const list = childrenOf(readOnly(fromEstBody(body), 0x30, 'CSR attributes'))
  const oids: string[] = []
  const attributes: { oid: string; values: Uint8Array[] }[] = []
  for (const one of list) {
    if (one.tag === 0x06) {
      oids.push(readOid(one))
      continue
    }
    if (one.tag !== 0x30)
      throw new PkiError('structure', 'a CSR attribute is neither identifier nor attribute')
    const cursor = enter(one)
    const oid = readOid(take(cursor, 0x06, 'an attribute type'))
    const values = childrenOf(take(cursor, 0x31, 'attribute values')).map(encodingOf)
    finish(cursor, 'the attribute')
    attributes.push({ oid, values })
  }
  return { oids, attributes }
}

/** Asks the CA for a key and its certificate (§4.4.1). */
export function estServerKeygenRequest(server: EstServer, request: Uint8Array): EstMessage {
  const { method, headers, body } = estEnrollRequest(server, request)
  return {
    method,
    url: estAddress(server, 'serverkeygen'),
    headers: { ...headers, accept: 'multipart/mixed' },
    ...(body === undefined ? {} : { body }),
  }
}

export interface EstKeygen {
  readonly privateKeyPkcs8: Uint8Array
  /** The public half, computed from the private one. */
  readonly spki: Uint8Array
  readonly certificates: readonly Certificate[]
}

/**
 * Reads the two parts of the answer (§4.4.2). A key wrapped in CMS is not opened here.
 * @throws PkiError `structure`, `der`, or `unsupported` for a wrapped key
 */
export function parseEstKeygenAnswer(answer: EstAnswer, now: Date): EstResult | EstKeygen {
  if (answer.status !== 200) return parseEstAnswer(answer, now)
  const type = answer.headers.get('content-type') ?? ''
  if (mediaType(type) !== 'multipart/mixed')
    throw new PkiError('structure', `an EST answer of the type "${type}"`)
  let privateKeyPkcs8: Uint8Array | undefined
  let certificates: readonly Certificate[] | undefined
  const parts = partsOf(answer.body, type)
  for (const part of parts) {
    const kind = part.type.toLowerCase()
    if (kind.startsWith('application/pkcs8')) privateKeyPkcs8 = fromEstBody(part.body)
    else if (/^application\/pkcs7-mime\b.*smime-type=(server-generated-key|enveloped-data)/.test(kind))
      throw new PkiError('unsupported', 'the key is wrapped in CMS')
    else if (kind.startsWith('application/pkcs7-mime')) certificates = parseCertsOnly(fromEstBody(part.body))
    else throw new PkiError('structure', `a part of the type "${part.type}"`)
  }
  if (parts.length !== 2 || privateKeyPkcs8 === undefined || certificates === undefined)
    throw new PkiError('structure', 'the answer is not a key and its certificate')
  const { spki } = signerFromPem(toPem(privateKeyPkcs8, 'PRIVATE KEY'))
  return { privateKeyPkcs8, spki, certificates }
}

/** The parts of a multipart body (RFC 2046 §5.1.1): texts of base64 alone, so that text is enough to split them. */
function partsOf(body: Uint8Array, contentType: string): { type: string; body: Uint8Array }[] {
  const boundary = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType)
  const mark = boundary?.[1] ?? boundary?.[2]
  if (mark === undefined) throw new PkiError('structure', 'a multipart answer without boundary')
  const lines = new TextDecoder('latin1').decode(body).split(/\r?\n/)
  const parts: { type: string; body: Uint8Array }[] = []
  let open: string[] | undefined
  for (const line of lines) {
    const end = line.trimEnd() === `--${mark}--`
    if (end || line.trimEnd() === `--${mark}`) {
      if (open !== undefined) parts.push(partOf(open))
      open = []
      if (end) return parts
    } else open?.push(line)
  }
  throw new PkiError('structure', 'a multipart answer without end')
}

function partOf(lines: readonly string[]): { type: string; body: Uint8Array } {
  const blank = lines.indexOf('')
  if (blank < 0) throw new PkiError('structure', 'a part without body')
  const header = lines
    .slice(0, blank)
    .join('\n')
    .replace(/\n[ \t]+/g, ' ')
  const type = /^content-type:\s*(.+)$/im.exec(header)?.[1]?.trim() ?? ''
  return { type, body: new TextEncoder().encode(lines.slice(blank + 1).join('\n')) }
}
