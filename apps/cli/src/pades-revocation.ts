/** Where `yinxin pades` finds revocation data: files named by the user, else the addresses in the certificates. */
import { readFile } from 'node:fs/promises'
import type { RevocationAnswer, RevocationSource } from '@yinxin/pades'
import {
  buildOcspRequest,
  ocspHttpRequest,
  parseCrl,
  parsePem,
  sameName,
  verifyCrl,
  verifyOcspResponse,
} from '@yinxin/pki'
import { type Lang, Unreadable, UsageError } from './command.ts'
import { reason } from './reading.ts'

const TIMEOUT_MS = 20_000
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
    const failures: string[] = []
    for (const url of certificate.ocspUrls) {
      try {
        const { method, headers, body } = ocspHttpRequest(
          url,
          buildOcspRequest({ certificates: [{ certificate, issuer }] }),
        )
        const der = await fetched(url, { method, headers, body: new Uint8Array(body) })
        const { ok, problems, responder } = verifyOcspResponse(der, {
          certificate,
          issuer,
          at,
          toleranceMs: 60_000,
        })
        if (!ok) throw new Error(problems.map(({ code }) => code).join(', '))
        return {
          ocsps: [der],
          certificates: responder && responder.der !== issuer.der ? [responder.der] : [],
        }
      } catch (error) {
        failures.push(`${url}: ${reason(error, lang)}`)
      }
    }
    for (const url of certificate.crlUrls) {
      try {
        const der = await fetched(url, {})
        if (!verifyCrl(parseCrl(der), issuer)) throw new Error('not signed by the issuer')
        return { crls: [der] }
      } catch (error) {
        failures.push(`${url}: ${reason(error, lang)}`)
      }
    }
    const subject = certificate.subject.text
    const tried = failures.length === 0 ? '' : ` (${failures.join('; ')})`
    throw new Unreadable(
      'revocation_unavailable',
      lang === 'zh'
        ? `✗ 没有 ${subject} 的吊销信息，可用 --crl 给出${tried}`
        : `✗ nothing tells whether ${subject} is revoked; give a list with --crl${tried}`,
    )
  }
}

async function fetched(url: string, init: RequestInit): Promise<Uint8Array> {
  if (!/^https?:\/\//.test(url)) throw new Error('neither http nor https')
  const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) })
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`)
  const bytes = new Uint8Array(await answer.arrayBuffer())
  if (bytes.length > ANSWER_BYTES_MAX) throw new Error('the answer is too large')
  return bytes
}
