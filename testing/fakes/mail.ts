import { createServer, type Socket } from 'node:net'

export interface ReceivedMail {
  from: string
  to: string[]
  /** The message as it came over the wire, dots unstuffed. */
  raw: string
}

/** A mail server for tests that speaks enough of RFC 5321 for a real client. Not for anything else. */
export interface FakeMailServer {
  url: string
  received: ReceivedMail[]
  /** Answers the next `count` messages, after their data, with this line, e.g. `451 try later`. */
  refuse(line: string, count?: number): void
  close(): Promise<void>
}

export async function startFakeMailServer(): Promise<FakeMailServer> {
  const received: ReceivedMail[] = []
  const refusals: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    converse(socket, (mail) => {
      const refusal = refusals.shift()
      if (refusal === undefined) received.push(mail)
      return refusal ?? '250 2.0.0 accepted'
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the mail server has no port')
  return {
    url: `smtp://127.0.0.1:${address.port}`,
    received,
    refuse: (line, count = 1) => refusals.push(...Array<string>(count).fill(line)),
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function converse(socket: Socket, accept: (mail: ReceivedMail) => string): void {
  const say = (line: string) => socket.write(`${line}\r\n`)
  let pending = ''
  let mail: ReceivedMail = { from: '', to: [], raw: '' }
  let inData = false

  const command = (line: string): void => {
    const verb = line.slice(0, 4).toUpperCase()
    if (verb === 'EHLO') return void socket.write('250-fake\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n')
    if (verb === 'HELO' || verb === 'NOOP') return void say('250 fine')
    if (verb === 'RSET') {
      mail = { from: '', to: [], raw: '' }
      return void say('250 fine')
    }
    if (verb === 'MAIL') {
      mail.from = /<([^>]*)>/.exec(line)?.[1] ?? ''
      return void say('250 fine')
    }
    if (verb === 'RCPT') {
      mail.to.push(/<([^>]*)>/.exec(line)?.[1] ?? '')
      return void say('250 fine')
    }
    if (verb === 'DATA') {
      if (mail.to.length === 0) return void say('503 no receiver')
      inData = true
      return void say('354 go on')
    }
    if (verb === 'QUIT') {
      say('221 bye')
      return void socket.end()
    }
    say('502 unknown command')
  }

  say('220 fake ESMTP')
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    pending += chunk
    for (let end = pending.indexOf('\r\n'); end >= 0; end = pending.indexOf('\r\n')) {
      const line = pending.slice(0, end)
      pending = pending.slice(end + 2)
      if (!inData) {
        command(line)
      } else if (line === '.') {
        inData = false
        say(accept(mail))
        mail = { from: '', to: [], raw: '' }
      } else {
        mail.raw += `${line.startsWith('.') ? line.slice(1) : line}\r\n`
      }
    }
  })
}

/** Subject and text of a single-part message, decoded (RFC 2047, base64, quoted-printable). */
export function readMail(raw: string): { subject: string; text: string } {
  const split = raw.indexOf('\r\n\r\n')
  const headers = raw.slice(0, split).replace(/\r\n[ \t]+/g, ' ')
  const body = raw.slice(split + 4)
  const header = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'im').exec(headers)?.[1] ?? ''
  const encoding = header('content-transfer-encoding').toLowerCase()
  return { subject: decodeWords(header('subject')), text: decodeBody(body, encoding) }
}

function decodeWords(text: string): string {
  return text
    .replace(/\?=\s+=\?/g, '?==?')
    .replace(/=\?utf-8\?([bq])\?([^?]*)\?=/gi, (_whole, kind: string, data: string) =>
      kind.toLowerCase() === 'b'
        ? Buffer.from(data, 'base64').toString('utf8')
        : decodeQuotedPrintable(data.replace(/_/g, ' ')),
    )
}

function decodeBody(body: string, encoding: string): string {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString('utf8')
  return encoding === 'quoted-printable' ? decodeQuotedPrintable(body) : body
}

function decodeQuotedPrintable(text: string): string {
  const bytes = text
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/gi, (_whole, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
