/**
 * An enrolment server (EST, RFC 7030) in front of openssl: it parses, verifies, issues and packs nothing itself, so
 * that what a client sends and takes is judged by another implementation. It speaks TLS, knows its clients by Basic or
 * by certificate, and is strict about methods, types and bodies.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'

export interface EstServerOptions {
  readonly login: { readonly user: string; readonly password: string }
  /** Chooses this CA among several (§3.2.2). */
  readonly label?: string
  /** DER of the CSR attributes; the server has no wishes without. */
  readonly csrAttrs?: Uint8Array
}

export interface FakeEstServer {
  readonly origin: string
  /** The CA's certificate in PEM: trusted for TLS and for what is issued. */
  readonly caPem: string
  /** Method and path of each request, in order. */
  readonly requests: string[]
  /** Puts the next enrolments off, with this Retry-After each. */
  putOff(...retryAfter: string[]): void
  /** Answers the next request with this instead. */
  answerNext(answer: { status: number; headers: Record<string, string>; body: string }): void
  /** A client certificate of this CA, as `openssl` made it. */
  clientCertificate(name: string): { key: string; cert: string }
  close(): Promise<void>
}

class EstRefusal extends Error {
  readonly status: number
  constructor(status: number, text: string) {
    super(text)
    this.status = status
  }
}

const profiles = `
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost,IP:127.0.0.1
authorityKeyIdentifier = keyid
[signer]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,nonRepudiation
extendedKeyUsage = clientAuth,emailProtection
authorityKeyIdentifier = keyid
`

export async function startFakeEst(options: EstServerOptions): Promise<FakeEstServer> {
  const folder = mkdtempSync(join(tmpdir(), 'yinxin-est-'))
  const at = (name: string) => join(folder, name)
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const newKey = (name: string) =>
    openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', name)
  const issue = (csr: string, out: string, profile: string, ...more: string[]) =>
    openssl(
      ...['x509', '-req', '-in', csr, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-days', '30', '-sha256'],
      ...[
        '-set_serial',
        `0x5a${randomBytes(15).toString('hex')}`,
        '-extfile',
        'profiles.cnf',
        '-extensions',
        profile,
      ],
      ...['-out', out, ...more],
    )

  // 1. The CA and the server's own certificate.
  writeFileSync(at('profiles.cnf'), profiles)
  newKey('ca.key')
  openssl('req', '-new', '-key', 'ca.key', '-subj', '/C=CN/O=Outside CA/CN=Outside Root', '-out', 'ca.csr')
  openssl(
    ...['x509', '-req', '-in', 'ca.csr', '-signkey', 'ca.key', '-days', '300', '-sha256'],
    ...['-extfile', 'profiles.cnf', '-extensions', 'ca', '-out', 'ca.pem'],
  )
  newKey('server.key')
  openssl('req', '-new', '-key', 'server.key', '-subj', '/CN=localhost', '-out', 'server.csr')
  issue('server.csr', 'server.pem', 'server')

  const requests: string[] = []
  const delays: string[] = []
  const prepared: { status: number; headers: Record<string, string>; body: string }[] = []
  let count = 0

  /** Certificates without signature (RFC 5751), by openssl. */
  const certsOnly = (file: string) =>
    inLines(openssl('crl2pkcs7', '-nocrl', '-certfile', file, '-outform', 'DER').toString('base64'))

  /** Checks the request as openssl sees it; returns the name of its file. */
  function takeCsr(request: IncomingMessage, body: Buffer): string {
    if (request.headers['content-type']?.split(';')[0] !== 'application/pkcs10')
      throw new EstRefusal(415, 'the type must be application/pkcs10')
    const text = body.toString('latin1')
    if (!/^[A-Za-z0-9+/=\r\n]+$/.test(text)) throw new EstRefusal(400, 'the body is no base64')
    count += 1
    const name = `request-${count}.csr`
    writeFileSync(at(`${name}.der`), Buffer.from(text, 'base64'))
    // It says on standard error, and not by its exit code, whether the request is signed by its own key.
    const judged = spawnSync(
      'openssl',
      ['req', '-inform', 'DER', '-in', `${name}.der`, '-verify', '-out', name],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    )
    if (judged.status !== 0 || !/verify OK/.test(judged.stderr))
      throw new EstRefusal(400, `openssl: ${judged.stderr.split('\n')[0]}`)
    return name
  }

  function authenticate(request: IncomingMessage): void {
    const socket = request.socket as TLSSocket
    if (socket.authorized) return
    const { user, password } = options.login
    const wanted = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
    if (request.headers.authorization !== wanted) throw new EstRefusal(401, '请先登录 · log in first')
  }

  function answer(
    request: IncomingMessage,
    body: Buffer,
  ): { status: number; headers?: Record<string, string>; body?: string } {
    const prefix = `/.well-known/est/${options.label === undefined ? '' : `${options.label}/`}`
    const url = request.url ?? ''
    if (!url.startsWith(prefix)) throw new EstRefusal(404, 'no such CA')
    const operation = url.slice(prefix.length)
    const method = { cacerts: 'GET', csrattrs: 'GET' }[operation] ?? 'POST'
    if (!['cacerts', 'csrattrs', 'simpleenroll', 'simplereenroll', 'serverkeygen'].includes(operation))
      throw new EstRefusal(404, 'no such operation')
    if (request.method !== method) throw new EstRefusal(405, `only ${method}`)
    const certificates = {
      'content-type': 'application/pkcs7-mime; smime-type=certs-only',
      'content-transfer-encoding': 'base64',
    }
    if (operation === 'cacerts') return { status: 200, headers: certificates, body: certsOnly('ca.pem') }
    if (operation === 'csrattrs') {
      if (options.csrAttrs === undefined) return { status: 204 }
      const text = inLines(Buffer.from(options.csrAttrs).toString('base64'))
      return { status: 200, headers: { 'content-type': 'application/csrattrs' }, body: text }
    }
    authenticate(request)
    const csr = takeCsr(request, body)
    const delay = delays.shift()
    if (delay !== undefined) return { status: 202, headers: { 'retry-after': delay } }
    if (operation !== 'serverkeygen') {
      if (operation === 'simplereenroll' && !isKnownSubject(csr))
        throw new EstRefusal(400, 'no such certificate to renew')
      issue(csr, `${csr}.pem`, 'signer')
      issued.add(subjectOf(csr))
      return { status: 200, headers: certificates, body: certsOnly(`${csr}.pem`) }
    }
    newKey(`${csr}.key`)
    openssl('pkey', '-in', `${csr}.key`, '-pubout', '-out', `${csr}.pub`)
    issue(csr, `${csr}.pem`, 'signer', '-force_pubkey', `${csr}.pub`)
    const pkcs8 = openssl('pkcs8', '-topk8', '-nocrypt', '-in', `${csr}.key`, '-outform', 'DER').toString(
      'base64',
    )
    const boundary = `est-${randomBytes(8).toString('hex')}`
    const part = (type: string, text: string) =>
      `--${boundary}\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\n\r\n${text}\r\n`
    return {
      status: 200,
      headers: { 'content-type': `multipart/mixed; boundary=${boundary}` },
      body: `a preamble\r\n${part('application/pkcs8', inLines(pkcs8))}${part(certificates['content-type'], certsOnly(`${csr}.pem`))}--${boundary}--\r\n`,
    }
  }

  const issued = new Set<string>()
  const subjectOf = (csr: string): string =>
    openssl('req', '-in', csr, '-noout', '-subject', '-nameopt', 'compat,utf8,-esc_msb')
      .toString('utf8')
      .trim()
      .replace(/^subject=\s*/, '')
  const isKnownSubject = (csr: string): boolean => issued.has(subjectOf(csr))

  const server = createServer(
    {
      key: readFileSync(at('server.key')),
      cert: readFileSync(at('server.pem')),
      ca: readFileSync(at('ca.pem')),
      requestCert: true,
      rejectUnauthorized: false,
    },
    async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      requests.push(`${request.method} ${request.url}`)
      let result: { status: number; headers?: Record<string, string>; body?: string }
      try {
        result = prepared.shift() ?? answer(request, Buffer.concat(chunks))
      } catch (error) {
        const status = error instanceof EstRefusal ? error.status : 500
        const login = status === 401 ? { 'www-authenticate': 'Basic realm="est"' } : {}
        const headers = { 'content-type': 'text/plain; charset=utf-8', ...login }
        result = { status, headers, body: error instanceof Error ? error.message : String(error) }
      }
      response.writeHead(result.status, result.headers ?? {}).end(result.body)
    },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')

  return {
    origin: `https://localhost:${address.port}`,
    caPem: readFileSync(at('ca.pem'), 'utf8'),
    requests,
    putOff: (...retryAfter) => void delays.push(...retryAfter),
    answerNext: (given) => void prepared.push(given),
    clientCertificate(name) {
      newKey(`${name}.key`)
      openssl('req', '-new', '-key', `${name}.key`, '-subj', `/CN=${name}`, '-out', `${name}.csr`)
      issue(`${name}.csr`, `${name}.pem`, 'signer')
      return { key: readFileSync(at(`${name}.key`), 'utf8'), cert: readFileSync(at(`${name}.pem`), 'utf8') }
    },
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const inLines = (base64: string): string => (base64.match(/.{1,76}/g) ?? []).join('\r\n')
