import { readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { parseAst } from 'vitest/node'

/** One call that asks a medium to make something durable, in the sources of the storage room. */
export interface SyncSite {
  /** Below the storage room. */
  file: string
  line: number
  /** The call as it is written. */
  text: string
  start: number
  end: number
}

export const storageRoom = resolve(import.meta.dirname, '../../apps/server/src/storage')

/** Names under which fsync goes: of a file, of a folder, of either handed over as a function. */
const syncNames = new Set(['sync', 'syncFolder', 'datasync', 'fsync', 'fdatasync'])

/** Every sync call site that the running server can reach, found in the parsed sources. */
export function findSyncSites(): SyncSite[] {
  return reachable(join(storageRoom, 'storage.ts')).flatMap((path) => {
    const source = readFileSync(path, 'utf8')
    return callsIn(source)
      .filter(({ name }) => syncNames.has(name))
      .map(({ start, end }) => ({
        file: relative(storageRoom, path),
        line: source.slice(0, start).split('\n').length,
        text: source.slice(start, end),
        start,
        end,
      }))
  })
}

/** The source of a file without one of its calls: what waited for it goes on as if it were done. */
export function withoutCall(source: string, { start, end }: Pick<SyncSite, 'start' | 'end'>): string {
  return `${source.slice(0, start)}Promise.resolve()${source.slice(end)}`
}

/** The files of the room that a file imports, itself first. */
function reachable(entry: string): string[] {
  const found = new Set([entry])
  for (const path of found) {
    for (const [, target] of readFileSync(path, 'utf8').matchAll(/from '(\.\/[^']+)'/g))
      found.add(join(dirname(path), target!))
  }
  return Array.from(found).sort()
}

interface Call {
  name: string
  start: number
  end: number
}

function callsIn(source: string): Call[] {
  const calls: Call[] = []
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) {
      for (const one of node) visit(one)
      return
    }
    if (typeof node !== 'object' || node === null) return
    const { type, callee, start, end } = node as {
      type?: string
      callee?: { type: string; name?: string; property?: { name?: string } }
      start: number
      end: number
    }
    if (type === 'CallExpression') {
      const name = callee?.type === 'Identifier' ? callee.name : callee?.property?.name
      if (name !== undefined) calls.push({ name, start, end })
    }
    for (const one of Object.values(node)) visit(one)
  }
  visit(parseAst(source, { lang: 'ts' }))
  return calls
}
