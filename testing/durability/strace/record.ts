/** Makes a short recording of a log, to be kept beside the tests: the calls that a proof rests on, their bytes cut. */
import { type Call, target } from './calls.ts'
import type { Scene } from './room-scene.ts'

/** A magic number and the header of a record. */
const shownBytes = 72

export interface Recording {
  plan: Scene['plan']
  log: string
}

/** From the whole log, or from its lines up to the answer that carries `until`. */
export function record({ log, calls, plan }: Scene, root: string, until?: string): Recording {
  const lines = log.split('\n')
  const last =
    until === undefined
      ? lines.length
      : lines.findIndex((line) => line.includes('HTTP/1.1 2') && line.includes(until))
  const answers = plan.answers.slice(0, 1 + plan.answers.findIndex(({ mark }) => mark === until) || undefined)
  const speaking = new Set(
    calls
      .filter((call) => call.name === 'recvfrom' && call.end <= last)
      .filter(({ args }) => /storage_(objects|replicas|destructions|removals)\\"/.test(args))
      .map(({ pid }) => pid),
  )
  const marks = answers.map(({ mark }) => mark.replaceAll('"', '\\"'))
  const isKept = (call: Call) => {
    if (call.result < 0 || call.end > last) return false
    const where = target(call)
    switch (call.name) {
      case 'recvfrom':
      case 'sendto':
        return speaking.has(call.pid)
      case 'openat':
        return call.args.includes('O_CREAT') && call.args.includes('/storage/')
      case 'mkdir':
      case 'link':
      case 'rename':
      case 'unlink':
        return call.args.includes('/storage/') || call.args.includes('/storage"')
      case 'writev':
      case 'write':
        return (
          where.includes('/storage/') ||
          (where.startsWith('TCP') &&
            call.args.includes('HTTP/1.1 2') &&
            marks.some((one) => call.args.includes(one)))
        )
      default:
        return /\/storage(\/|$)/.test(where) || where.includes('/pg_wal/') || isParent(where)
    }
  }
  // The folder that holds `storage` is synced when that is made.
  const isParent = (where: string) =>
    plan.domains.some(({ folder }) => folder.startsWith(`${where}/storage/`))
  const kept = new Map<number, boolean>()
  for (const call of calls.filter(isKept)) {
    const isWhole = !(call.name.includes('write') && target(call).startsWith('/'))
    kept.set(call.begin, isWhole)
    kept.set(call.end, isWhole)
  }
  const short = lines.flatMap((line, at) => {
    const isWhole = kept.get(at)
    if (isWhole === undefined) return []
    return [
      (isWhole ? line : cut(line)).replaceAll(root, '/srv').replace(/AT_FDCWD<[^>]*>/, 'AT_FDCWD</srv>'),
    ]
  })
  const there = <V>(value: V) => JSON.parse(JSON.stringify(value).replaceAll(root, '/srv')) as V
  return { log: `${short.join('\n')}\n`, plan: there({ ...plan, answers }) }
}

/** As a shorter -s would have shown it. */
function cut(line: string): string {
  return line.replace(/"((?:[^"\\]|\\.)*)"(\.\.\.)?/gs, (whole, text: string) => {
    const pieces = text.match(/\\[0-7]{1,3}|\\.|[^\\]/gs) ?? []
    return pieces.length <= shownBytes ? whole : `"${pieces.slice(0, shownBytes).join('')}"...`
  })
}
