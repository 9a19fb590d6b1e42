/** The calls that strace saw, in the order in which it saw them begin and end. */

/** What a process asked of the kernel. */
export interface Call {
  pid: number
  name: string
  /**
   * Where in the log it begins and ends. strace stops a process before a call and after it, so one that ends before
   * another begins in the log was really over before the other was asked for; times are not needed for that.
   */
  begin: number
  end: number
  /** The arguments as strace writes them. */
  args: string
  /** What the call returned; negative for an error. */
  result: number
}

/** Reads a log of `strace -f -yy -v -o`. A call that never came back has no end and is left out. */
export function readCalls(log: string): Call[] {
  const calls: Call[] = []
  const open = new Map<number, { begin: number; text: string }>()
  for (const [at, line] of log.split('\n').entries()) {
    const [, process, text] = /^(\d+)\s+(?:\d+\.\d+ )?(.*)$/s.exec(line) ?? []
    if (process === undefined || text === undefined) continue
    const pid = Number(process)
    if (text.endsWith('<unfinished ...>')) {
      open.set(pid, { begin: at, text: text.slice(0, -'<unfinished ...>'.length) })
      continue
    }
    const resumed = /^<\.\.\. \w+ resumed>/.exec(text)
    const before = resumed === null ? undefined : open.get(pid)
    // The other half of a call that had begun before strace came.
    if (resumed !== null && before === undefined) continue
    open.delete(pid)
    const whole = before === undefined ? text : before.text + text.slice(resumed?.[0].length)
    const found = /^(\w+)\((.*)\)\s+= (-?\d+)/s.exec(whole)
    if (found === null) continue
    const [, name = '', args = '', result] = found
    calls.push({
      pid,
      name,
      begin: before?.begin ?? at,
      end: at,
      args: args.trimEnd(),
      result: Number(result),
    })
  }
  return calls
}

/** What a descriptor stands for: the path of a file, or the two ends of a connection. */
export function target({ args }: Pick<Call, 'args'>): string {
  return descriptor.exec(args)?.[1] ?? ''
}
const descriptor = /^\d+<((?:[A-Z0-9-]+:\[.*?\]|[^>]*))>/

/** The paths that a call names, in their order. */
export function paths({ args }: Pick<Call, 'args'>): string[] {
  return Array.from(args.matchAll(quoted), ([, text]) => bytesOf(text ?? '').toString('utf8'))
}

export interface Piece {
  bytes: Buffer
  /** Of what was really written or read; more than `bytes` where strace cut it off. */
  sizeBytes: number
}

/** The buffers that a call moved: one, or as many as it was given. */
export function pieces({ name, args, result }: Call): Piece[] {
  if (name === 'writev' || name.startsWith('pwritev') || name.endsWith('msg')) {
    return Array.from(args.matchAll(vector), ([, text, size]) => ({
      bytes: bytesOf(text ?? ''),
      sizeBytes: Number(size),
    }))
  }
  // The name of a socket stands in quotes too.
  const [, text] = new RegExp(quoted.source, 's').exec(args.replace(descriptor, '')) ?? []
  if (text === undefined) return []
  // What was asked to be written, cut at what was taken.
  return [{ bytes: bytesOf(text).subarray(0, Math.max(0, result)), sizeBytes: Math.max(0, result) }]
}

/** Where in its file a call at a place of its own writes. */
export function offset({ name, args }: Call): number | undefined {
  if (name !== 'pwrite64' && name !== 'pwritev' && name !== 'pwritev2') return undefined
  const tail = name === 'pwritev2' ? /, (\d+), \w+$/ : /, (\d+)$/
  const found = tail.exec(args)
  return found === null ? undefined : Number(found[1])
}

const quoted = /"((?:[^"\\]|\\.)*)"/gs
const vector = /\{iov_base="((?:[^"\\]|\\.)*)"(?:\.\.\.)?, iov_len=(\d+)\}/gs

const named: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, v: 11, f: 12, '"': 34, '\\': 92 }

/** Undoes strace's escapes: of one letter, or one to three octal digits. */
function bytesOf(text: string): Buffer {
  const bytes = Buffer.alloc(Buffer.byteLength(text))
  let filled = 0
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] !== '\\') {
      bytes[filled++] = text.charCodeAt(at)
      continue
    }
    const octal = /^[0-7]{1,3}/.exec(text.slice(at + 1, at + 4))
    if (octal !== null) {
      bytes[filled++] = Number.parseInt(octal[0], 8)
      at += octal[0].length
    } else {
      bytes[filled++] = named[text[at + 1] ?? ''] ?? text.charCodeAt(at + 1)
      at += 1
    }
  }
  return bytes.subarray(0, filled)
}
