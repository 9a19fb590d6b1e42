/** The rules of the house that a linter does not know: `npm run tidy`. Prints each breach and fails on any. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'

/** A room may import doors of rooms that stand before it, never after. Kept equal to ARCHITECTURE.md. */
export const ROOM_ORDER = [
  'breakers',
  'db',
  'jobs',
  'outbox',
  'kms',
  'storage',
  'ca',
  'timestamps',
  'audit',
  'operators',
  'promises',
  'evidence',
  'notifications',
  'accounts',
  'identity',
  'seals',
  'documents',
  'sign-tasks',
  'signing',
  'verification',
  'webhooks',
  'portability',
  'destruction',
  'custody',
  'sla',
  'monitoring',
  'incidents',
  'status',
  'compensation',
  'fasc',
  'sandbox',
  'web',
]

const LINES_WARNED = 500
const SKIPPED = new Set([
  'node_modules',
  '.git',
  'dist',
  '.data',
  '.data-keys',
  '.data-keysdb',
  '.cache',
  'reference',
])
const VAGUE = /^(utils?|helpers?|common|shared|misc|managers?|index)$/

/** Computation only: neither files nor network. */
const PURE_MODULES = new Set(['node:crypto', 'node:zlib'])

/** Packages that run in a browser: what only Node has stands in files named for it, beside their twins. */
const BROWSER_SOURCE = /^packages\/(pki|pades|evidence)\/src\/(?!.*\.node\.ts$)/

/** Which packages a package may know. A court's copy of the validator must not bring a token driver along. */
const PACKAGE_KNOWS: Record<string, readonly string[]> = {
  pki: [],
  pades: ['pki'],
  evidence: ['pki', 'pades'],
  signers: ['pki'],
  sdk: [],
  sla: [],
}

/** Native code is loaded in one place. */
const ONLY_IN: Record<string, string> = { pkcs11js: 'packages/signers/' }

/** The sources of time, chance and settings in the server. */
const SOURCES = new Set(['clock.ts', 'ids.ts', 'config.ts'].map((name) => `apps/server/src/${name}`))

export interface TidyReport {
  problems: string[]
  warnings: string[]
}

/** Checks the tree below `root`. */
export function tidy(root: string): TidyReport {
  const report: TidyReport = { problems: [], warnings: [] }
  for (const path of filesBelow(root, root)) {
    const name = basename(path).replace(/(\.test)?\.\w+$/, '')
    const vaguePart = [...dirname(path).split('/'), name].find((part) => VAGUE.test(part))
    const isSource = /\.(ts|tsx)$/.test(path)
    if (isSource && vaguePart !== undefined) {
      report.problems.push(`${path}: "${vaguePart}" says nothing; name it after what it holds`)
    }
    if (!/\.(ts|tsx|js|sql|css)$/.test(path)) continue
    const text = readFileSync(join(root, path), 'utf8')
    checkText(path, text, report)
    if (isSource) checkImports(root, path, text, report)
  }
  return report
}

function checkText(path: string, text: string, report: TidyReport): void {
  const lines = text.split('\n')
  if (lines.length > LINES_WARNED) report.warnings.push(`${path}: ${lines.length} lines; look twice`)
  const isTest = isTestFile(path)
  const isServer = /^apps\/server\/src\//.test(path) && !isTest && !SOURCES.has(path)
  const isPure = isPackageSource(path) && !isTest
  for (const [index, line] of lines.entries()) {
    const at = `${path}:${index + 1}`
    const code = line.replace(/^\s*(\/\/|\*|\/\*).*$/, '')
    if (new RegExp(`\\b(${'TO'}DO|${'FIX'}ME)\\b(?!.*#\\d+)`).test(line)) {
      report.problems.push(`${at}: an open point needs the number of its issue`)
    }
    if (/^export default\b/.test(code) && !/\.config\.ts$/.test(path)) {
      report.problems.push(`${at}: no default exports`)
    }
    if (!isServer && !isPure) continue
    if (/\bDate\.now\(|\bnew Date\(\)/.test(code)) report.problems.push(`${at}: time comes from a clock`)
    if (isPure && BROWSER_SOURCE.test(path) && /\bBuffer\b/.test(code.replace(/\/\/.*$/, ''))) {
      report.problems.push(`${at}: this package runs in a browser, which has no Buffer`)
    }
    if (/\bMath\.random\(/.test(code)) report.problems.push(`${at}: chance comes from ids.ts or node:crypto`)
    if (/\bprocess\.env\b/.test(code)) report.problems.push(`${at}: settings come from config.ts`)
  }
}

function checkImports(root: string, path: string, text: string, report: TidyReport): void {
  if (isTestFile(path)) return
  const room = roomOf(path)
  for (const [index, line] of text.split('\n').entries()) {
    const target = /(?:\bfrom|\bimport\(|^import)\s*['"]([^'"]+)['"]/.exec(line)?.[1]
    if (target === undefined) continue
    const at = `${path}:${index + 1}`
    if (isPackageSource(path) && target.startsWith('node:') && !PURE_MODULES.has(target)) {
      report.problems.push(
        `${at}: packages take files, network and time as arguments; ${target} stays outside`,
      )
    } else if (BROWSER_SOURCE.test(path) && target.startsWith('node:')) {
      report.problems.push(`${at}: this package runs in a browser; ${target} belongs into a file *.node.ts`)
    }
    checkPackage(at, path, target, report)
    const file = resolveImport(root, path, target)
    const other = file === undefined ? undefined : roomOf(file)
    if (room === undefined || file === undefined || other === undefined || other === room) continue
    checkArrow({ at, path, room, other, file }, report)
  }
}

function checkPackage(at: string, path: string, target: string, report: TidyReport): void {
  const home = ONLY_IN[target]
  if (home !== undefined && !path.startsWith(home))
    report.problems.push(`${at}: ${target} is loaded in ${home} alone`)
  if (!isPackageSource(path)) return
  const from = path.split('/')[1] ?? ''
  const other = /^@yinxin\/([a-z]+)/.exec(target)?.[1]
  if (other === undefined) return
  const known = PACKAGE_KNOWS[from]
  if (known === undefined) report.problems.push(`${at}: the package ${from} has no place among the packages`)
  else if (!known.includes(other)) report.problems.push(`${at}: ${from} may not know ${other}`)
}

function checkArrow(
  arrow: { at: string; path: string; room: string; other: string; file: string },
  report: TidyReport,
): void {
  const { at, path, room, other, file } = arrow
  if (room === 'http') {
    // The HTTP room stands beside the list: it leans on the ground alone.
    if (other !== 'db') report.problems.push(`${at}: http knows no room but db`)
    return
  }
  if (other === 'http') {
    if (!/(^|-)routes\.ts$/.test(basename(path))) {
      report.problems.push(`${at}: only routes.ts files may know http`)
    }
    return
  }
  const from = ROOM_ORDER.indexOf(room)
  const to = ROOM_ORDER.indexOf(other)
  if (from < 0) report.problems.push(`${at}: the room ${room} has no place in the order`)
  if (to < 0) report.problems.push(`${at}: the room ${other} has no place in the order`)
  if (from >= 0 && to > from) report.problems.push(`${at}: ${room} stands above ${other} and may not know it`)
  // The shapes of the wire are a second door, for those who write the wire.
  const wire = basename(file) === 'wire.ts' && /(^|-)(routes|wire)\.ts$/.test(basename(path))
  if (!wire && basename(file) !== `${other}.ts`) {
    report.problems.push(`${at}: import the door ${other}/${other}.ts, not ${basename(file)}`)
  }
}

/** The room a file of the server lies in; undefined for the map, the ground files and everything outside. */
function roomOf(path: string): string | undefined {
  return /^apps\/server\/src\/([^/]+)\//.exec(path)?.[1]
}

function resolveImport(root: string, path: string, target: string): string | undefined {
  if (target.startsWith('#src/')) return `apps/server/src/${target.slice('#src/'.length)}`
  if (!target.startsWith('.')) return undefined
  return relative(root, resolve(root, dirname(path), target))
    .split(sep)
    .join('/')
}

function isTestFile(path: string): boolean {
  return /\.test\.tsx?$/.test(path) || /(^|\/)(testing|judge|bench)\//.test(path)
}

function isPackageSource(path: string): boolean {
  return /^packages\/[^/]+\/src\//.test(path)
}

function* filesBelow(root: string, folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (SKIPPED.has(entry.name)) continue
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* filesBelow(root, path)
    else if (entry.isFile()) yield relative(root, path).split(sep).join('/')
  }
}

if (import.meta.main) {
  const { problems, warnings } = tidy(join(import.meta.dirname, '..'))
  for (const warning of warnings) console.warn(`warning  ${warning}`)
  for (const problem of problems) console.error(`problem  ${problem}`)
  console.log(`tidy: ${problems.length} problems, ${warnings.length} warnings`)
  process.exitCode = problems.length > 0 ? 1 : 0
}
