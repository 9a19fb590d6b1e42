/** PEM text encoding (RFC 7468). */
import { PkiError } from './errors.ts'

const block = /-----BEGIN ([A-Z0-9 ]{1,64})-----([\s\S]*?)-----END ([A-Z0-9 ]{1,64})-----/g

/**
 * DER of every block in the text; only those of the label when one is given.
 * @throws PkiError `pem` when there is no such block or one is damaged
 */
export function parsePem(text: string, label?: string): Uint8Array[] {
  const found: Uint8Array[] = []
  for (const [, begin, body, end] of text.matchAll(block)) {
    if (begin !== end) throw new PkiError('pem', `a block begins as ${begin} and ends as ${end}`)
    if (label !== undefined && begin !== label) continue
    const base64 = body!.replace(/\s+/g, '')
    if (base64 === '' || base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64))
      throw new PkiError('pem', `the ${begin} block holds no base64`)
    found.push(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)))
  }
  if (found.length === 0) throw new PkiError('pem', `the text holds no ${label ?? 'PEM'} block`)
  return found
}

/** One PEM block of the label, in lines of 64 characters. */
export function toPem(der: Uint8Array, label: string): string {
  let binary = ''
  for (const octet of der) binary += String.fromCharCode(octet)
  const lines = btoa(binary).match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
