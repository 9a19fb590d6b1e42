/** Outside judges of what a journey leaves behind. A missing one is skipped loudly, and fails where CI=true. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type SignatureReport, verifyPdf } from '@yinxin/pades'
import { parseSignedData } from '@yinxin/pki'

export interface Verdict {
  status: number | null
  text: string
}

export function run(command: string, args: readonly string[]): Verdict {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  if (result.error) throw result.error
  return { status: result.status, text: `${result.stdout}\n${result.stderr}` }
}

/** Whether the judge can be called; `probe` must end with 0 where it can. */
export function isPresent(
  context: { skip(note?: string): void },
  command: string,
  probe: readonly string[],
): boolean {
  const { status, error } = spawnSync(command, probe)
  // Some judges answer a question for their version with another code; it is enough that they run.
  if (!error && (status === 0 || command !== 'python3')) return true
  const name = [command, ...probe].join(' ')
  if (process.env.CI === 'true') throw new Error(`the judge is missing: ${name}`)
  console.warn(`SKIPPED: the judge is missing: ${name}`)
  context.skip(`missing: ${name}`)
  return false
}

/** One signature taken apart into files, as tools that know nothing of PDF want them. */
export interface SignatureFiles {
  report: SignatureReport
  /** The CMS container in DER. */
  cms: string
  /** The bytes it covers. */
  covered: string
  /** The signature value, which the timestamp is over. */
  value: string
  /** The RFC 3161 token in DER. */
  token: string
}

export function takeApart(pdf: Uint8Array, folder: string): SignatureFiles[] {
  return verifyPdf(pdf).signatures.map((report, index) => {
    const [from = 0, before = 0, gapTo = 0, after = 0] = report.byteRange
    const hex = Buffer.from(pdf.subarray(before + 1, gapTo - 1)).toString('latin1')
    const cms = derOf(Buffer.from(hex, 'hex'))
    const info = parseSignedData(cms).signers[0]
    const token = info?.timestampTokens[0]
    if (info === undefined || token === undefined) throw new Error('the signature has no timestamp')
    const write = (name: string, bytes: Uint8Array) => {
      const path = join(folder, `${index + 1}-${name}`)
      writeFileSync(path, bytes)
      return path
    }
    return {
      report,
      cms: write('signature.der', cms),
      covered: write(
        'covered.bin',
        Buffer.concat([pdf.subarray(from, before), pdf.subarray(gapTo, gapTo + after)]),
      ),
      value: write('value.bin', info.signature),
      token: write('token.der', token),
    }
  })
}

/** /Contents is padded with zeros; the length of the outermost element says where the container ends. */
function derOf(padded: Buffer): Buffer {
  const first = padded[1] ?? 0
  if (first < 0x80) return padded.subarray(0, 2 + first)
  const octets = first & 0x7f
  return padded.subarray(0, 2 + octets + padded.readUIntBE(2, octets))
}
