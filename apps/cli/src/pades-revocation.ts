/** Where `yinxin pades` finds revocation data: files named by the user, else the addresses in the certificates. */
import { readFile } from 'node:fs/promises'
import type { RevocationAnswer, RevocationSource } from '@yinxin/pades'
import {
  type Certificate,
  fetchRevocation,
  PkiError,
  parseCrl,
  parseOcspResponse,
  parsePem,
  sameName,
  verifyCrl,
} from '@yinxin/pki'
import { type Lang, Unreadable, UsageError } from './command.ts'
import { httpPort } from './http.ts'
import { reason } from './reading.ts'

const ANSWER_BYTES_MAX = 32 * 1024 * 1024

/** Revocation lists from files, PEM or DER. @throws UsageError */
async function readCrls(paths: readonly string[], lang: Lang): Promise<Uint8Array[]> {
  const all: Uint8Array[] = []
  for (const path of paths) {
    try {
      const bytes = await readFile(path)
      const found = bytes[0] === 0x30 ? [new Uint8Array(bytes)] : parsePem(bytes.toString('utf8'), 'X509 CRL')
      for (const der of found) parseCrl(der)
      all.push(...found)
    } catch (error) {
      const why = reason(error, lang)
      throw new UsageError(
        lang === 'zh'
          ? `--crl ${path} 不是可用的吊销列表：${why}`
          : `--crl ${path} is no usable list: ${why}`,
      )
    }
  }
  return all
}

/** Answers from the lists at hand, else by OCSP, else by the list a certificate names. @throws Unreadable */
export async function revocationSource(
  paths: readonly string[] | undefined,
  at: Date,
  lang: Lang,
): Promise<RevocationSource> {
  const lists = await readCrls(paths ?? [], lang)
  return async ({ certificate, issuer }): Promise<RevocationAnswer> => {
    const own = lists.filter((der) => {
      const crl = parseCrl(der)
      return sameName(crl.issuerDer, issuer.subjectDer) && verifyCrl(crl, issuer)
    })
    if (own.length > 0) return { crls: own }
    try {
      const found = await fetchRevocation(
        { certificate, issuer },
        { send: httpPort(ANSWER_BYTES_MAX), at, toleranceMs: 60_000 },
      )
      if (found.kind === 'crl') return { crls: [found.der] }
      return { ocsps: [found.der], certificates: found.responder === undefined ? [] : [found.responder.der] }
    } catch (error) {
      if (!(error instanceof PkiError) || error.code !== 'unavailable') throw error
      const subject = certificate.subject.text
      throw new Unreadable(
        'revocation_unavailable',
        lang === 'zh'
          ? `✗ 没有 ${subject} 的吊销信息，可用 --crl 给出（${error.message}）`
          : `✗ nothing tells whether ${subject} is revoked; give a list with --crl (${error.message})`,
      )
    }
  }
}

/** The same source, which refuses to go on when the signer's own certificate turns out to be revoked. */
export function refusingRevoked(own: Certificate, source: RevocationSource, lang: Lang): RevocationSource {
  return async (need) => {
    const answer = await source(need)
    if (need.certificate.fingerprintSha256 !== own.fingerprintSha256) return answer
    const isRevoked =
      answer.crls?.some((der) => parseCrl(der).revoked.has(own.serialHex)) ||
      answer.ocsps?.some((der) =>
        parseOcspResponse(der).singles.some(
          ({ certId, status }) => certId.serialHex === own.serialHex && status === 'revoked',
        ),
      )
    if (!isRevoked) return answer
    throw new Unreadable(
      'certificate_revoked',
      lang === 'zh'
        ? `✗ 证书 ${own.subject.text} 已被吊销`
        : `✗ the certificate ${own.subject.text} has been revoked`,
    )
  }
}
