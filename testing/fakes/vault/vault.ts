/**
 * A simulator of the part of Vault's HTTP API that a transit client uses: transit keys, encrypt, decrypt, rotate,
 * config, trim, log-in by AppRole, health. It says that it is one (`"simulator": true` in /v1/sys/health), refuses
 * what it does not know, and judges fields as the documentation of the real one does.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Key {
  versions: Map<number, Buffer>
  latest: number
  minDecryption: number
  minEncryption: number
  minAvailable: number
}

export interface VaultSimulator {
  url: string
  token: string
  roleId: string
  secretId: string
  /** What the next calls meet: a seal, a standby, an outage, a lost answer after the work was done. */
  state: 'ready' | 'sealed' | 'standby' | 'broken' | 'silent'
  /** This many answers are lost after the work was done. */
  loseAnswers: number
  /** Ends every token that a log-in made. */
  revokeLogins(): void
  /** Calls by path, to see what was sent. */
  calls: string[]
  /** The raw keys, as a thief of the service would find them. */
  keyBytes(): Buffer[]
  close(): Promise<void>
}

class Answer extends Error {
  readonly status: number
  readonly errors: string[]
  constructor(status: number, ...errors: string[]) {
    super(errors.join('; '))
    this.status = status
    this.errors = errors
  }
}

export async function startVaultSimulator(): Promise<VaultSimulator> {
  const keys = new Map<string, Key>()
  const logins = new Set<string>()
  const server = createServer((request, response) => void answer(request, response))
  const simulator: VaultSimulator = {
    url: '',
    token: `hvs.${randomBytes(12).toString('hex')}`,
    roleId: randomBytes(8).toString('hex'),
    secretId: randomBytes(8).toString('hex'),
    state: 'ready',
    loseAnswers: 0,
    revokeLogins: () => logins.clear(),
    calls: [],
    keyBytes: () => [...keys.values()].flatMap((key) => [...key.versions.values()]),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }

  async function answer(request: IncomingMessage, response: ServerResponse) {
    const path = (request.url ?? '').replace(/^\/v1\//, '')
    simulator.calls.push(`${request.method} ${path}`)
    const text = await readAll(request)
    const send = (status: number, body?: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(body === undefined ? '' : JSON.stringify(body))
    }
    if (simulator.state === 'silent') return
    if (simulator.state === 'broken') return send(500, { errors: ['internal error'] })
    try {
      const body = handle(request, path, text)
      if (simulator.loseAnswers > 0) {
        simulator.loseAnswers -= 1
        response.destroy()
        return
      }
      send(body === undefined ? 204 : 200, body)
    } catch (error) {
      if (!(error instanceof Answer)) throw error
      send(error.status, { errors: error.errors })
    }
  }

  function handle(request: IncomingMessage, path: string, text: string): unknown {
    if (path === 'sys/health' && request.method === 'GET') {
      if (simulator.state === 'sealed') throw new Answer(503)
      if (simulator.state === 'standby') throw new Answer(429)
      return { initialized: true, sealed: false, standby: false, version: 'simulator', simulator: true }
    }
    if (simulator.state === 'sealed') throw new Answer(503, 'Vault is sealed')
    if (simulator.state === 'standby') throw new Answer(473)
    const body = parse(request, text)
    if (path === 'auth/approle/login') {
      if (body.role_id !== simulator.roleId || body.secret_id !== simulator.secretId)
        throw new Answer(400, 'invalid role or secret ID')
      const token = `hvs.${randomBytes(12).toString('hex')}`
      logins.add(token)
      return { auth: { client_token: token, lease_duration: 3600, renewable: true } }
    }
    const given = request.headers['x-vault-token']
    if (given !== simulator.token && !logins.has(String(given))) throw new Answer(403, 'permission denied')
    const [mount, verb, name = '', action] = path.split('/')
    if (mount !== 'transit' || !/^[\w-]+$/.test(name)) throw new Answer(404, `no handler for route "${path}"`)
    const method = request.method
    if (verb === 'keys' && action === undefined && method === 'GET') return show(requireKey(name, 404))
    if (method !== 'POST' && method !== 'PUT') throw new Answer(405, 'unsupported operation')
    if (verb === 'keys' && action === undefined) return create(name, body)
    if (verb === 'keys' && action === 'rotate') return rotate(requireKey(name, 400))
    if (verb === 'keys' && action === 'config') return configure(requireKey(name, 400), body)
    if (verb === 'keys' && action === 'trim') return trim(requireKey(name, 400), body)
    if (verb === 'encrypt') return encrypt(requireKey(name, 400), body)
    if (verb === 'decrypt') return decrypt(requireKey(name, 400), body)
    throw new Answer(404, `no handler for route "${path}"`)
  }

  function requireKey(name: string, status: number): Key {
    const key = keys.get(name)
    if (key === undefined)
      throw status === 404 ? new Answer(404) : new Answer(400, 'encryption key not found')
    return key
  }

  function create(name: string, body: Fields) {
    only(body, ['type', 'exportable', 'allow_plaintext_backup', 'derived'])
    if (body.type !== undefined && body.type !== 'aes256-gcm96') throw new Answer(400, 'unknown key type')
    if (body.exportable === true || body.allow_plaintext_backup === true)
      throw new Answer(400, 'the simulator keeps no key that can leave it')
    // Creating a key that exists changes nothing.
    if (!keys.has(name))
      keys.set(name, {
        versions: new Map([[1, randomBytes(32)]]),
        latest: 1,
        minDecryption: 1,
        minEncryption: 0,
        minAvailable: 0,
      })
    return show(requireKey(name, 400))
  }

  function rotate(key: Key) {
    key.latest += 1
    key.versions.set(key.latest, randomBytes(32))
    return show(key)
  }

  function configure(key: Key, body: Fields) {
    only(body, ['min_decryption_version', 'min_encryption_version', 'deletion_allowed'])
    const decryption = Math.max(1, whole(body.min_decryption_version) ?? key.minDecryption)
    const encryption = whole(body.min_encryption_version) ?? key.minEncryption
    if (decryption > key.latest || encryption > key.latest)
      throw new Answer(400, `latest key version is ${key.latest}`)
    if (encryption > 0 && encryption < decryption)
      throw new Answer(400, 'min encryption version must be greater than or equal to min decryption version')
    if (key.minAvailable > encryption || key.minAvailable > decryption)
      throw new Answer(400, 'a minimum version should not be less than min available version')
    key.minDecryption = decryption
    key.minEncryption = encryption
    return show(key)
  }

  function trim(key: Key, body: Fields) {
    only(body, ['min_available_version'])
    const wanted = whole(body.min_available_version)
    if (wanted === undefined || wanted <= 0) throw new Answer(400, 'missing min_available_version')
    if (wanted < key.minAvailable) throw new Answer(400, 'minimum available version cannot be decremented')
    if (key.minEncryption === 0) throw new Answer(400, 'minimum encryption version is not set')
    if (wanted > key.minEncryption || wanted > key.minDecryption)
      throw new Answer(400, 'minimum available version cannot be greater than the other minimum versions')
    key.minAvailable = wanted
    for (const [version, bytes] of key.versions) {
      if (version >= wanted) continue
      bytes.fill(0)
      key.versions.delete(version)
    }
    return show(key)
  }

  function encrypt(key: Key, body: Fields) {
    only(body, ['plaintext', 'associated_data', 'key_version'])
    const version = whole(body.key_version) ?? key.latest
    const lowest = key.minEncryption === 0 ? key.latest : key.minEncryption
    if (version < lowest || version > key.latest)
      throw new Answer(400, 'requested version for encryption is not allowed')
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', bytesOf(key, version), nonce)
    cipher.setAAD(base64(body.associated_data ?? '', 'associated_data'))
    const sealed = Buffer.concat([nonce, cipher.update(base64(body.plaintext, 'plaintext')), cipher.final()])
    const ciphertext = Buffer.concat([sealed, cipher.getAuthTag()]).toString('base64')
    return { data: { ciphertext: `vault:v${version}:${ciphertext}`, key_version: version } }
  }

  function decrypt(key: Key, body: Fields) {
    only(body, ['ciphertext', 'associated_data'])
    const [, number, text] = /^vault:v(\d+):([A-Za-z0-9+/]+=*)$/.exec(String(body.ciphertext)) ?? []
    if (number === undefined || text === undefined) throw new Answer(400, 'invalid ciphertext: no prefix')
    const version = Number(number)
    if (version < key.minDecryption)
      throw new Answer(400, 'ciphertext or signature version is disallowed by policy (too old)')
    if (version > key.latest) throw new Answer(400, 'invalid ciphertext: version is too new')
    const sealed = Buffer.from(text, 'base64')
    if (sealed.length < 28) throw new Answer(400, 'invalid ciphertext length')
    const decipher = createDecipheriv('aes-256-gcm', bytesOf(key, version), sealed.subarray(0, 12))
    decipher.setAAD(base64(body.associated_data ?? '', 'associated_data'))
    decipher.setAuthTag(sealed.subarray(-16))
    try {
      const opened = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])
      return { data: { plaintext: opened.toString('base64') } }
    } catch {
      throw new Answer(400, 'cipher: message authentication failed')
    }
  }

  function bytesOf(key: Key, version: number): Buffer {
    const bytes = key.versions.get(version)
    if (bytes === undefined) throw new Answer(400, 'the version does not exist')
    return bytes
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  simulator.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return simulator
}

type Fields = Record<string, unknown>

function show(key: Key) {
  return {
    data: {
      type: 'aes256-gcm96',
      derived: false,
      exportable: false,
      allow_plaintext_backup: false,
      deletion_allowed: false,
      latest_version: key.latest,
      min_decryption_version: key.minDecryption,
      min_encryption_version: key.minEncryption,
      min_available_version: key.minAvailable,
    },
  }
}

function parse(request: IncomingMessage, text: string): Fields {
  if (request.method === 'GET' || text === '') return {}
  if (request.headers['content-type'] !== 'application/json') throw new Answer(400, 'a JSON body is needed')
  try {
    return JSON.parse(text) as Fields
  } catch {
    throw new Answer(400, 'failed to parse JSON input')
  }
}

function only(body: Fields, names: string[]): void {
  for (const name of Object.keys(body)) {
    if (!names.includes(name)) throw new Answer(400, `the simulator does not know ${name}`)
  }
}

function whole(value: unknown): number | undefined {
  if (value === undefined) return undefined
  if (!Number.isInteger(value) || Number(value) < 0) throw new Answer(400, 'a whole number is needed')
  return Number(value)
}

function base64(value: unknown, name: string): Buffer {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value) || value.length % 4 !== 0)
    throw new Answer(400, `${name} must be base64`)
  return Buffer.from(value, 'base64')
}

async function readAll(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts).toString('utf8')
}
