/**
 * An S3 server in memory, for faults that no real server commits when asked to, and for abilities that the real one
 * of these tests lacks. It refuses whatever it does not understand.
 *
 *     const s3 = await startFakeS3()
 *     s3.before = (call) => (call.name === 'put' ? 'lose-answer' : undefined)
 *     await s3.close()
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

export type FakeS3Call =
  | 'put'
  | 'get'
  | 'head'
  | 'remove'
  | 'list'
  | 'versions'
  | 'versioning'
  | 'beginUpload'
  | 'uploadPart'
  | 'completeUpload'
  | 'abortUpload'
  | 'uploads'

/**
 * `lose-answer`: does it and cuts the connection. `cut`: cuts the connection before doing anything. `slow-down`, `internal`:
 * answers 503, 500 and does nothing. `error-in-200`: answers 200 with an error in the body and does nothing. `store-damaged`:
 * acknowledges and stores something else. `hang`: never answers. `denied`: 403. `ignore`: says it is done and does nothing. `late`:
 * does it and answers a quarter of a second later.
 */
export type FakeS3Fault =
  | 'lose-answer'
  | 'cut'
  | 'slow-down'
  | 'internal'
  | 'error-in-200'
  | 'store-damaged'
  | 'hang'
  | 'denied'
  | 'ignore'
  | 'late'

export interface FakeS3Options {
  /** Enforces and tells `x-amz-checksum-sha256`; otherwise it ignores it, as older servers do. */
  sha256?: boolean
  /** Knows `If-None-Match: *`; otherwise it answers 501. */
  conditionalPut?: boolean
  /** Tells the MD5 as ETag; otherwise something else, as servers that encrypt do. */
  md5Etags?: boolean
  /** Enforces no checksum at all. */
  careless?: boolean
  pageSize?: number
}

interface Version {
  id: string
  /** Undefined for a delete marker. */
  body?: Buffer
  etag: string
  sha256?: string
  at: Date
}

interface Upload {
  key: string
  parts: Map<number, { body: Buffer; etag: string; sha256?: string }>
  at: Date
}

export interface FakeS3 {
  endpoint: string
  bucket: string
  versioned: boolean
  /** All that was called, in order. */
  readonly calls: { name: FakeS3Call; key: string }[]
  /** Asked before each call what should go wrong. */
  before: (call: { name: FakeS3Call; key: string }) => FakeS3Fault | undefined
  /** What lies under a key now. */
  bytes(key: string): Buffer | undefined
  /** Replaces what lies there behind everybody's back. */
  tamper(key: string, body: Buffer | undefined): void
  /** Another version with the same bytes. */
  saveAgain(key: string): void
  keys(): string[]
  /** All bytes that are still kept in any way: versions and parts too. */
  everything(): Buffer[]
  openUploads(): number
  close(): Promise<void>
}

class Refusal extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string) {
    super(code)
    this.status = status
    this.code = code
  }
}

interface Answer {
  status: number
  headers?: Record<string, string | number>
  body?: Buffer | string
}

export async function startFakeS3(options: FakeS3Options = {}): Promise<FakeS3> {
  const { sha256 = true, conditionalPut = true, md5Etags = true, careless = false, pageSize = 1000 } = options
  const objects = new Map<string, Version[]>()
  const uploads = new Map<string, Upload>()
  const hanging = new Set<ServerResponse>()
  let counter = 0
  const nextId = () => {
    counter += 1
    return `id-${String(counter).padStart(8, '0')}`
  }
  const current = (key: string) => {
    const version = objects.get(key)?.at(-1)
    return version?.body === undefined ? undefined : (version as Version & { body: Buffer })
  }

  function store(key: string, body: Buffer, etag: string, sha: string | undefined) {
    const version = { id: fake.versioned ? nextId() : 'null', body, etag, at: new Date() }
    const kept = (objects.get(key) ?? []).filter((one) => one.id !== version.id)
    objects.set(key, [...kept, { ...version, ...(sha === undefined ? {} : { sha256: sha }) }])
  }

  function requireBody(request: IncomingMessage, body: Buffer): string | undefined {
    const header = (name: string) => request.headers[name] as string | undefined
    const payload = header('x-amz-content-sha256')
    if (payload === undefined || payload === 'UNSIGNED-PAYLOAD') throw new Refusal(400, 'InvalidRequest')
    const digest = createHash('sha256').update(body)
    const binary = digest.digest()
    if (careless) return undefined
    if (payload !== binary.toString('hex')) throw new Refusal(400, 'XAmzContentSHA256Mismatch')
    const md5 = header('content-md5')
    if (md5 !== undefined && md5 !== createHash('md5').update(body).digest('base64'))
      throw new Refusal(400, 'BadDigest')
    const told = header('x-amz-checksum-sha256')
    if (!sha256 || told === undefined) return undefined
    if (told !== binary.toString('base64')) throw new Refusal(400, 'BadDigest')
    return told
  }

  const etagOf = (body: Buffer) =>
    md5Etags ? createHash('md5').update(body).digest('hex') : createHash('sha1').update(body).digest('hex')

  const handlers: Record<
    FakeS3Call,
    (at: { key: string; query: URLSearchParams; body: Buffer; request: IncomingMessage }) => Answer
  > = {
    put({ key, body, request }) {
      const told = requireBody(request, body)
      if (request.headers['if-none-match'] !== undefined) {
        if (!conditionalPut) throw new Refusal(501, 'NotImplemented')
        if (current(key) !== undefined) throw new Refusal(412, 'PreconditionFailed')
      }
      store(key, body, etagOf(body), told)
      return { status: 200, headers: { etag: `"${etagOf(body)}"` } }
    },
    get({ key, request }) {
      const found = current(key)
      if (found === undefined) throw new Refusal(404, 'NoSuchKey')
      const range = request.headers.range
      if (range === undefined) return { status: 200, headers: factsOf(found), body: found.body }
      const [from, to] = parseRange(range, found.body.length)
      return {
        status: 206,
        headers: { ...factsOf(found), 'content-range': `bytes ${from}-${to}/${found.body.length}` },
        body: found.body.subarray(from, to + 1),
      }
    },
    head({ key }) {
      const found = current(key)
      if (found === undefined) throw new Refusal(404, 'NoSuchKey')
      return { status: 200, headers: { ...factsOf(found), 'content-length': found.body.length } }
    },
    remove({ key, query }) {
      const id = query.get('versionId')
      const all = objects.get(key) ?? []
      if (id !== null)
        objects.set(
          key,
          all.filter((one) => one.id !== id),
        )
      else if (fake.versioned) objects.set(key, [...all, { id: nextId(), etag: '', at: new Date() }])
      else objects.delete(key)
      if (objects.get(key)?.length === 0) objects.delete(key)
      return { status: 204 }
    },
    list({ query }) {
      const prefix = query.get('prefix') ?? ''
      const after = query.get('continuation-token') ?? ''
      const keys = fake.keys().filter((key) => key.startsWith(prefix) && key > after)
      const page = keys.slice(0, pageSize)
      const more = keys.length > page.length
      const contents = page.map((key) => {
        const { body, etag, at } = current(key) as Version & { body: Buffer }
        return `<Contents>${tag('Key', key)}${tag('Size', body.length)}${tag('ETag', etag)}${tag('LastModified', at.toISOString())}</Contents>`
      })
      const token = more ? tag('NextContinuationToken', page.at(-1) ?? '') : ''
      return xml('ListBucketResult', `${tag('IsTruncated', more)}${token}${contents.join('')}`)
    },
    versions({ query }) {
      const prefix = query.get('prefix') ?? ''
      const marker = query.get('key-marker')
      const idMarker = query.get('version-id-marker')
      let all = [...objects.keys()]
        .filter((key) => key.startsWith(prefix))
        .sort()
        .flatMap((key) => (objects.get(key) ?? []).map((version) => ({ key, ...version })))
      if (marker !== null) {
        all = all.filter((one) => one.key > marker || (one.key === marker && one.id > (idMarker ?? '')))
      }
      const page = all.slice(0, pageSize)
      const last = page.at(-1)
      const more = all.length > page.length
      const next = more
        ? tag('NextKeyMarker', last?.key ?? '') + tag('NextVersionIdMarker', last?.id ?? '')
        : ''
      const rows = page.map((one) => {
        const name = one.body === undefined ? 'DeleteMarker' : 'Version'
        return `<${name}>${tag('Key', one.key)}${tag('VersionId', one.id)}</${name}>`
      })
      return xml('ListVersionsResult', `${tag('IsTruncated', more)}${next}${rows.join('')}`)
    },
    versioning: () => xml('VersioningConfiguration', fake.versioned ? tag('Status', 'Enabled') : ''),
    beginUpload({ key }) {
      const id = nextId()
      uploads.set(id, { key, parts: new Map(), at: new Date() })
      return xml('InitiateMultipartUploadResult', tag('UploadId', id))
    },
    uploadPart({ query, body, request }) {
      const upload = requireUpload(query)
      const told = requireBody(request, body)
      const etag = createHash('md5').update(body).digest('hex')
      const part = { body, etag, ...(told === undefined ? {} : { sha256: told }) }
      upload.parts.set(Number(query.get('partNumber')), part)
      return { status: 200, headers: { etag: `"${etag}"` } }
    },
    completeUpload({ key, query, body }) {
      const upload = requireUpload(query)
      const wanted = [...body.toString('utf8').matchAll(/<Part>(.*?)<\/Part>/gs)].map((one) => one[1] ?? '')
      const parts = wanted.map((text, index) => {
        const number = Number(/<PartNumber>(\d+)</.exec(text)?.[1])
        const etag = /<ETag>(?:&quot;|")?([^<&"]+)/.exec(text)?.[1]
        const part = upload.parts.get(number)
        if (number !== index + 1 || part === undefined || part.etag !== etag)
          throw new Refusal(400, 'InvalidPart')
        if (index + 1 < wanted.length && part.body.length < 5 << 20) throw new Refusal(400, 'EntityTooSmall')
        return part
      })
      if (parts.length !== upload.parts.size) throw new Refusal(400, 'InvalidPart')
      const whole = Buffer.concat(parts.map((part) => part.body))
      const joined = (name: string, hashes: (string | undefined)[], form: 'hex' | 'base64') =>
        createHash(name)
          .update(Buffer.concat(hashes.map((hash) => Buffer.from(hash ?? '', form))))
          .digest(form)
      const etag = md5Etags
        ? `${joined(
            'md5',
            parts.map((part) => part.etag),
            'hex',
          )}-${parts.length}`
        : `opaque-${nextId()}`
      const told = sha256
        ? `${joined(
            'sha256',
            parts.map((part) => part.sha256),
            'base64',
          )}-${parts.length}`
        : undefined
      store(key, whole, etag, told)
      uploads.delete(query.get('uploadId') ?? '')
      return xml('CompleteMultipartUploadResult', tag('ETag', etag))
    },
    abortUpload({ query }) {
      requireUpload(query)
      uploads.delete(query.get('uploadId') ?? '')
      return { status: 204 }
    },
    uploads({ query }) {
      const prefix = query.get('prefix') ?? ''
      const rows = [...uploads]
        .filter(([, one]) => one.key.startsWith(prefix))
        .map(
          ([id, one]) =>
            `<Upload>${tag('Key', one.key)}${tag('UploadId', id)}${tag('Initiated', one.at.toISOString())}</Upload>`,
        )
      return xml('ListMultipartUploadsResult', `${tag('IsTruncated', false)}${rows.join('')}`)
    },
  }

  function requireUpload(query: URLSearchParams): Upload {
    const upload = uploads.get(query.get('uploadId') ?? '')
    if (upload === undefined) throw new Refusal(404, 'NoSuchUpload')
    return upload
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://fake')
    const [bucket, ...rest] = url.pathname.slice(1).split('/')
    const key = decodeURIComponent(rest.join('/'))
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece as Buffer)
    const body = Buffer.concat(pieces)
    const call = { name: callOf(request.method ?? '', url.searchParams, key), key }
    fake.calls.push(call)
    const fault = fake.before(call)
    if (fault === 'hang') {
      hanging.add(response)
      return
    }
    if (fault === 'cut') {
      request.socket.destroy()
      return
    }
    let answer: Answer
    try {
      if (fault === 'slow-down') throw new Refusal(503, 'SlowDown')
      if (fault === 'denied') throw new Refusal(403, 'AccessDenied')
      if (fault === 'internal') throw new Refusal(500, 'InternalError')
      if (fault === 'error-in-200')
        answer = { status: 200, body: '<Error><Code>InternalError</Code><Message>sorry</Message></Error>' }
      else if (fault === 'ignore') answer = { status: 204 }
      else if (bucket !== fake.bucket) throw new Refusal(404, 'NoSuchBucket')
      else answer = handlers[call.name]({ key, query: url.searchParams, body, request })
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      answer = { status: error.status, body: `<Error>${tag('Code', error.code)}</Error>` }
    }
    if (fault === 'store-damaged') {
      const version = current(key)
      if (version !== undefined) {
        const damaged = Buffer.from(version.body)
        damaged[0] = (damaged[0] ?? 0) ^ 1
        version.body = damaged
        version.etag = etagOf(damaged)
        version.sha256 = createHash('sha256').update(damaged).digest('base64')
      }
    }
    if (fault === 'late') await new Promise((resolve) => setTimeout(resolve, 250))
    if (fault === 'lose-answer') {
      request.socket.destroy()
      return
    }
    const text = typeof answer.body === 'string'
    response.writeHead(answer.status, {
      ...(text ? { 'content-type': 'application/xml' } : {}),
      ...(answer.body === undefined || request.method === 'HEAD'
        ? {}
        : { 'content-length': Buffer.byteLength(answer.body) }),
      ...answer.headers,
    })
    response.end(request.method === 'HEAD' ? undefined : answer.body)
  }

  const fake: FakeS3 = {
    endpoint: '',
    bucket: 'yinxin',
    versioned: false,
    calls: [],
    before: () => undefined,
    bytes: (key) => current(key)?.body,
    tamper(key, body) {
      const version = current(key)
      if (body === undefined) objects.delete(key)
      else if (version !== undefined) version.body = body
    },
    saveAgain(key) {
      const version = current(key)
      if (version !== undefined) store(key, version.body, version.etag, version.sha256)
    },
    keys: () => [...objects.keys()].filter((key) => current(key) !== undefined).sort(),
    everything: () => [
      ...[...objects.values()].flat().flatMap((one) => one.body ?? []),
      ...[...uploads.values()].flatMap((one) => [...one.parts.values()].map((part) => part.body)),
    ],
    openUploads: () => uploads.size,
    async close() {
      for (const response of hanging) response.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  const server = createServer((request, response) => {
    serve(request, response).catch(() => request.socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the fake has no port')
  fake.endpoint = `http://127.0.0.1:${address.port}`
  return fake
}

function callOf(method: string, query: URLSearchParams, key: string): FakeS3Call {
  const has = (name: string) => query.has(name)
  if (key === '') {
    if (method === 'GET' && has('versioning')) return 'versioning'
    if (method === 'GET' && has('versions')) return 'versions'
    if (method === 'GET' && has('uploads')) return 'uploads'
    if (method === 'GET' && query.get('list-type') === '2') return 'list'
  } else {
    if (method === 'PUT') return has('uploadId') ? 'uploadPart' : 'put'
    if (method === 'GET') return 'get'
    if (method === 'HEAD') return 'head'
    if (method === 'DELETE') return has('uploadId') ? 'abortUpload' : 'remove'
    if (method === 'POST' && has('uploads')) return 'beginUpload'
    if (method === 'POST' && has('uploadId')) return 'completeUpload'
  }
  throw new Error(`the fake does not know ${method} ${key} ${query}`)
}

function factsOf(version: Version): Record<string, string> {
  return {
    etag: `"${version.etag}"`,
    ...(version.sha256 === undefined ? {} : { 'x-amz-checksum-sha256': version.sha256 }),
  }
}

function parseRange(range: string, sizeBytes: number): [number, number] {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? []
  if (first === '') return [Math.max(0, sizeBytes - Number(last)), sizeBytes - 1]
  const from = Number(first)
  if (from >= sizeBytes) throw new Refusal(416, 'InvalidRange')
  return [from, Math.min(sizeBytes - 1, last === '' ? sizeBytes - 1 : Number(last))]
}

const tag = (name: string, value: string | number | boolean) => `<${name}>${value}</${name}>`

function xml(name: string, content: string): Answer {
  return { status: 200, body: `<?xml version="1.0"?><${name}>${content}</${name}>` }
}
