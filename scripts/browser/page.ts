/** The bundle's entry: called by the test from outside the page, with bytes as base64. */
import { facts, reportsOn, signWithPem, signWithWebCrypto } from './reports.ts'

const bytesOf = (text: string): Uint8Array => Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
const textOf = (bytes: Uint8Array): string => {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text)
}

export interface Ask {
  kind: 'pdf' | 'evidence'
  bytes: string
  trust: string[]
  logKeys: string[]
  atMs: number
}

const page = {
  facts,
  reportsOn: ({ bytes, trust, ...rest }: Ask): string =>
    reportsOn({ ...rest, bytes: bytesOf(bytes), trust: trust.map(bytesOf) }),
  signWithPem: async (pem: string, certificates: string[], pdf: string, atMs: number): Promise<string> =>
    textOf(await signWithPem(pem, certificates.map(bytesOf), { pdf: bytesOf(pdf), atMs })),
  signWithWebCrypto: async (parameters: object, pdf: string, atMs: number): Promise<string> =>
    textOf(
      await signWithWebCrypto(
        parameters,
        async (_algorithm, spki) => (await globalThis.certify(textOf(spki))).map(bytesOf),
        { pdf: bytesOf(pdf), atMs },
      ),
    ),
}
globalThis.yinxin = page

declare global {
  var yinxin: typeof page
  /** The test's authority, reached through the browser's bridge. */
  var certify: (spki: string) => Promise<string[]>
}
