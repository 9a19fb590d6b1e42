/** Whose key signs in `yinxin pades sign`: a file's, a PKCS#11 token's, or that of a remote signing service. */
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { type AsyncSigner, parseCertificate, type Signer, signerFromPem } from '@yinxin/pki'
import {
  type CscAuthQuestion,
  createCscClient,
  createCscOauth,
  cscSigner,
  cscTokens,
  openPkcs11,
  pkcs11Signer,
} from '@yinxin/signers'
import { type Lang, UsageError } from './command.ts'
import { readCertificates, reason } from './reading.ts'

export const SIGNER_OPTIONS = {
  key: { type: 'string' },
  cert: { type: 'string' },
  pkcs11: { type: 'string' },
  token: { type: 'string' },
  slot: { type: 'string' },
  'key-label': { type: 'string' },
  'key-id': { type: 'string' },
  csc: { type: 'string' },
  credential: { type: 'string' },
  'csc-client': { type: 'string' },
  'csc-secret-file': { type: 'string' },
  'csc-token-file': { type: 'string' },
  'pin-file': { type: 'string' },
  'otp-file': { type: 'string' },
} as const

export type SignerValues = { [Name in keyof typeof SIGNER_OPTIONS]?: string }

export interface Identity {
  signer: Signer | AsyncSigner
  /** DER, the signer's own first. */
  certificates: Uint8Array[]
  /** For `--json` and people: where the key was. */
  origin: { kind: 'file' | 'pkcs11' | 'csc'; simulator: boolean; [detail: string]: unknown }
  close(): void
}

/** Opens the one key that the options name. @throws UsageError, SignerError */
export async function openIdentity(values: SignerValues, lang: Lang): Promise<Identity> {
  const zh = lang === 'zh'
  const named = (['key', 'pkcs11', 'csc'] as const).filter((name) => values[name] !== undefined)
  if (named.length !== 1)
    throw new UsageError(
      zh
        ? '需要 --key、--pkcs11、--csc 三者之一，指明用哪把密钥签署'
        : 'exactly one of --key, --pkcs11 and --csc says whose key signs',
    )
  refuseForeign(values, named[0] as 'key', lang)
  if (values.pkcs11 !== undefined) return await fromToken(values, values.pkcs11, lang)
  if (values.csc !== undefined) return await fromService(values, values.csc, lang)
  return await fromFile(values, lang)
}

const belongsTo: Partial<Record<keyof SignerValues, readonly string[]>> = {
  cert: ['key', 'pkcs11'],
  token: ['pkcs11'],
  slot: ['pkcs11'],
  'key-label': ['pkcs11'],
  'key-id': ['pkcs11'],
  'pin-file': ['pkcs11', 'csc'],
  credential: ['csc'],
  'csc-client': ['csc'],
  'csc-secret-file': ['csc'],
  'csc-token-file': ['csc'],
  'otp-file': ['csc'],
}

function refuseForeign(values: SignerValues, kind: string, lang: Lang): void {
  for (const [name, kinds] of Object.entries(belongsTo))
    if (values[name as keyof SignerValues] !== undefined && !kinds.includes(kind))
      throw new UsageError(
        lang === 'zh' ? `--${name} 不能与 --${kind} 同用` : `--${name} does not go with --${kind}`,
      )
}

async function fromFile({ key, cert }: SignerValues, lang: Lang): Promise<Identity> {
  if (key === undefined || cert === undefined)
    throw new UsageError(lang === 'zh' ? '需要 --key 和 --cert' : '--key and --cert are needed')
  const certificates = await readCertificates(cert, '--cert', lang)
  let signer: Signer
  try {
    signer = signerFromPem(await readFile(key, 'utf8'))
  } catch (error) {
    throw new UsageError(
      lang === 'zh'
        ? `--key ${key} 不是可用的私钥：${reason(error, lang)}`
        : `--key ${key} is no usable private key: ${reason(error, lang)}`,
    )
  }
  return {
    signer,
    certificates: ownFirst(signer, certificates, lang),
    origin: { kind: 'file', simulator: false },
    close: () => {},
  }
}

async function fromToken(values: SignerValues, module: string, lang: Lang): Promise<Identity> {
  const zh = lang === 'zh'
  const { token: tokenLabel, slot, 'key-label': label, 'key-id': id } = values
  if (tokenLabel === undefined && slot === undefined)
    throw new UsageError(zh ? '需要 --token 标签 或 --slot N' : '--token LABEL or --slot N is needed')
  if (slot !== undefined && !/^\d{1,10}$/.test(slot))
    throw new UsageError(zh ? '--slot 须为数字' : '--slot takes a number')
  if (label === undefined && id === undefined)
    throw new UsageError(zh ? '需要 --key-label 或 --key-id' : '--key-label or --key-id is needed')
  if (id !== undefined && !/^([0-9a-f]{2})+$/i.test(id))
    throw new UsageError(zh ? '--key-id 须为十六进制' : '--key-id takes hexadecimal digits')
  const pin = await secret('YINXIN_PKCS11_PIN', values['pin-file'], '--pin-file', lang)
  if (pin === undefined)
    throw new UsageError(
      zh
        ? 'PIN 由环境变量 YINXIN_PKCS11_PIN 或 --pin-file 给出'
        : 'the PIN comes from the environment (YINXIN_PKCS11_PIN) or from --pin-file',
    )
  const token = await openPkcs11({
    module,
    pin,
    ...(tokenLabel === undefined ? {} : { tokenLabel }),
    ...(slot === undefined ? {} : { slot: Number(slot) }),
  })
  try {
    const signer = pkcs11Signer(token, {
      ...(label === undefined ? {} : { label }),
      ...(id === undefined ? {} : { id: id.toLowerCase() }),
    })
    const given = values.cert === undefined ? [] : await readCertificates(values.cert, '--cert', lang)
    const certificates = values.cert === undefined ? [...signer.certificates] : ownFirst(signer, given, lang)
    if (certificates.length === 0)
      throw new UsageError(
        zh
          ? '令牌中没有这把密钥的证书，请用 --cert 给出'
          : 'the token holds no certificate for this key; give one with --cert',
      )
    return {
      signer,
      certificates,
      origin: {
        kind: 'pkcs11',
        token: token.token,
        key: { label: signer.key.label, id: signer.key.id },
        // SoftHSM keeps its keys in files: a device only in name.
        simulator: /softhsm/i.test(`${token.token.model} ${token.token.manufacturer}`),
      },
      close: () => token.close(),
    }
  } catch (error) {
    token.close()
    throw error
  }
}

async function fromService(values: SignerValues, url: string, lang: Lang): Promise<Identity> {
  const zh = lang === 'zh'
  const { credential: credentialId, 'csc-client': clientId } = values
  if (credentialId === undefined)
    throw new UsageError(zh ? '需要 --credential ID' : '--credential ID is needed')
  const accessToken = await secret('YINXIN_CSC_TOKEN', values['csc-token-file'], '--csc-token-file', lang)
  const clientSecret = await secret('YINXIN_CSC_SECRET', values['csc-secret-file'], '--csc-secret-file', lang)
  if (accessToken === undefined && (clientId === undefined || clientSecret === undefined))
    throw new UsageError(
      zh
        ? '访问令牌由 YINXIN_CSC_TOKEN 或 --csc-token-file 给出；或用 --csc-client 与 YINXIN_CSC_SECRET（或 --csc-secret-file）获取'
        : 'the access token comes from YINXIN_CSC_TOKEN or --csc-token-file, or is asked for with --csc-client and YINXIN_CSC_SECRET (or --csc-secret-file)',
    )
  const transport = { baseUrl: url, fetch, wait: (ms: number) => wait(ms) }
  let tokens = accessToken === undefined ? undefined : () => Promise.resolve(accessToken)
  if (tokens === undefined) {
    const info = await createCscClient(transport).info()
    const oauth = createCscOauth({ ...transport, baseUrl: info.oauth2 ?? new URL(url).origin })
    tokens = cscTokens(oauth, { clientId: clientId ?? '', clientSecret: clientSecret ?? '' }, Date.now)
  }
  const signer = await cscSigner({
    client: createCscClient({ ...transport, accessToken: tokens }),
    credentialId,
    authenticate: (question) => answers(question, values, lang),
    wait: transport.wait,
    at: new Date(),
  })
  const { name, simulator } = signer.info
  return {
    signer,
    certificates: [...signer.certificates],
    origin: { kind: 'csc', service: name, credential: credentialId, simulator },
    close: () => {},
  }
}

/** The factors a credential asks for: PIN and code from environment or files, or from the person at the terminal. */
async function answers(question: CscAuthQuestion, values: SignerValues, lang: Lang) {
  const data: { id: string; value?: string }[] = []
  for (const { id, type, label } of question.objects) {
    if (type.endsWith('OOB')) {
      data.push({ id })
      continue
    }
    const isChallenge = type === 'ChallengeResponse'
    // The code exists only after it was asked for; a file may be a pipe that is filled then.
    const challenge = isChallenge ? await question.challenge(id) : undefined
    const [variable, file, option] =
      isChallenge || /otp/i.test(id)
        ? (['YINXIN_CSC_OTP', values['otp-file'], '--otp-file'] as const)
        : (['YINXIN_CSC_PIN', values['pin-file'], '--pin-file'] as const)
    const shown = [label ?? id, challenge].filter((part) => part !== undefined).join(' · ')
    const value = (await secret(variable, file, option, lang)) ?? (await asked(shown))
    if (value === undefined)
      throw new UsageError(
        lang === 'zh'
          ? `签名凭证要求 ${shown}：请用 ${variable} 或 ${option} 给出`
          : `the credential asks for ${shown}: give it with ${variable} or ${option}`,
      )
    data.push({ id, value })
  }
  return data
}

/** Asks the person on standard error, if there is one. */
async function asked(what: string): Promise<string | undefined> {
  if (!process.stdin.isTTY) return undefined
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await terminal.question(`${what}: `)
  } finally {
    terminal.close()
  }
}

/** A secret from a file or the environment, never from an argument, which every process of the machine can read. */
async function secret(
  variable: string,
  file: string | undefined,
  option: string,
  lang: Lang,
): Promise<string | undefined> {
  if (file === undefined) return process.env[variable] === '' ? undefined : process.env[variable]
  try {
    return (await readFile(file, 'utf8')).replace(/\r?\n$/, '')
  } catch (error) {
    throw new UsageError(`${option} ${file}: ${reason(error, lang)}`)
  }
}

/** Files list certificates in any order; the signer's own comes first in the signature. */
function ownFirst(
  { spki }: { spki: Uint8Array },
  certificates: readonly Uint8Array[],
  lang: Lang,
): Uint8Array[] {
  const own = certificates.find((der) => Buffer.compare(parseCertificate(der).spki, spki) === 0)
  if (own === undefined)
    throw new UsageError(lang === 'zh' ? '私钥与证书不匹配' : 'the key does not belong to the certificate')
  return [own, ...certificates.filter((der) => der !== own)]
}
