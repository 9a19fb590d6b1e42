import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { ROOM_ORDER, tidy } from './tidy.ts'

const roots: string[] = []
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true })
})

function problemsOf(files: Record<string, string>): string[] {
  const root = mkdtempSync(join(tmpdir(), 'yinxin-tidy-'))
  roots.push(root)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return tidy(root).problems
}

const server = (path: string, text: string) => problemsOf({ [`apps/server/src/${path}`]: text })

describe('tidy', () => {
  it('lets a room know the doors above it, and everything in its own folder', () => {
    expect(
      server(
        'seals/seals.ts',
        `import { x } from './store.ts'\nimport type { Kms } from '#src/kms/kms.ts'\nimport { y } from '../audit/audit.ts'\nimport { newId } from '#src/ids.ts'`,
      ),
    ).toEqual([])
  })

  it('refuses arrows that point down, side doors, and http outside of routes', () => {
    expect(server('kms/kms.ts', `import { x } from '#src/storage/storage.ts'`)).toEqual([
      'apps/server/src/kms/kms.ts:1: kms stands above storage and may not know it',
    ])
    expect(server('seals/seals.ts', `import { x } from '../kms/wrap.ts'`)).toEqual([
      'apps/server/src/seals/seals.ts:1: import the door kms/kms.ts, not wrap.ts',
    ])
    expect(server('seals/routes.ts', `import { x } from '../kms/wire.ts'`)).toEqual([])
    expect(server('seals/seals.ts', `import { x } from '../kms/wire.ts'`)).toHaveLength(1)
    expect(server('seals/seals.ts', `import { x } from '#src/http/http.ts'`)).toHaveLength(1)
    expect(server('seals/routes.ts', `import { x } from '#src/http/http.ts'`)).toEqual([])
    expect(server('sign-tasks/ceremony-routes.ts', `import { x } from '#src/http/paging.ts'`)).toEqual([])
    expect(server('http/http.ts', `import { x } from '#src/kms/kms.ts'`)).toHaveLength(1)
    expect(server('attic/attic.ts', `import { x } from '#src/kms/kms.ts'`)).toEqual([
      'apps/server/src/attic/attic.ts:1: the room attic has no place in the order',
    ])
    expect(server('seals/seals.test.ts', `import { x } from '../kms/wrap.ts'`)).toEqual([])
  })

  it('refuses the wall clock, chance and the environment outside of their files', () => {
    const text =
      'const a = Date.now()\nconst b = new Date()\nconst c = Math.random()\nconst d = process.env.X\n'
    expect(server('seals/seals.ts', text)).toHaveLength(4)
    expect(server('seals/seals.ts', '// Date.now() is banned\nconst a = new Date(5)')).toEqual([])
    expect(server('config.ts', 'const a = process.env.X')).toEqual([])
    expect(
      problemsOf({ 'packages/pki/src/pki.ts': `import fs from 'node:fs'\nconst a = Date.now()` }),
    ).toHaveLength(2)
    expect(problemsOf({ 'packages/sdk/src/sdk.ts': `import { sign } from 'node:crypto'` })).toEqual([])
  })

  it('keeps what only Node has out of packages that run in a browser, but for files named for it', () => {
    const uses = `import { sign } from 'node:crypto'\nconst bytes = Buffer.from('')`
    expect(problemsOf({ 'packages/pki/src/crypto.node.ts': uses })).toEqual([])
    expect(problemsOf({ 'packages/pki/src/crypto.test.ts': uses })).toEqual([])
    expect(problemsOf({ 'packages/pki/src/crypto.ts': uses })).toHaveLength(2)
    expect(problemsOf({ 'packages/pki/src/crypto.ts': '// No Buffer here.' })).toEqual([])
  })

  it('knows which package may know which, and where native code is loaded', () => {
    const inPackage = (path: string, target: string) =>
      problemsOf({ [`packages/${path}`]: `import { x } from '${target}'` })
    expect(inPackage('pades/src/sign.ts', '@yinxin/pki')).toEqual([])
    expect(inPackage('signers/src/pkcs11.ts', 'pkcs11js')).toEqual([])
    expect(inPackage('pki/src/pki.ts', '@yinxin/pades')).toEqual([
      'packages/pki/src/pki.ts:1: pki may not know pades',
    ])
    expect(inPackage('signers/src/signers.ts', '@yinxin/pades')).toHaveLength(1)
    expect(inPackage('attic/src/attic.ts', '@yinxin/pki')).toHaveLength(1)
    expect(inPackage('pades/src/sign.ts', 'pkcs11js')).toHaveLength(1)
    expect(server('kms/kms.ts', `import { PKCS11 } from 'pkcs11js'`)).toEqual([
      'apps/server/src/kms/kms.ts:1: pkcs11js is loaded in packages/signers/ alone',
    ])
    expect(inPackage('signers/src/pkcs11.test.ts', '@yinxin/pades')).toEqual([])
  })

  it('refuses vague names, open points without an issue and default exports', () => {
    expect(server('seals/utils.ts', '')).toHaveLength(1)
    expect(server('shared/seals.ts', '')).toHaveLength(1)
    expect(server('seals/seals.ts', `// ${'TO'}DO later`)).toHaveLength(1)
    expect(server('seals/seals.ts', `// ${'TO'}DO(#12) later`)).toEqual([])
    expect(server('seals/seals.ts', 'export default 1')).toHaveLength(1)
  })

  it('knows the same rooms as ARCHITECTURE.md', () => {
    const page = readFileSync(join(import.meta.dirname, '../ARCHITECTURE.md'), 'utf8')
    const table = page.slice(page.indexOf('## Rooms of the server'), page.indexOf('`http/` stands beside'))
    const named = [...table.matchAll(/^\| `([a-z-]+)` \|/gm)].map((match) => match[1])
    expect([...named].sort()).toEqual([...ROOM_ORDER].sort())
  })
})
