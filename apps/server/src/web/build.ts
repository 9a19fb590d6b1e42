import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('../../../../', import.meta.url))

/** What the built pages depend on, relative to the repository. */
const sources = [
  'apps/web/src',
  'apps/web/public',
  'apps/web/index.html',
  'apps/web/vite.config.ts',
  'apps/web/build.ts',
  'apps/web/build-offline.ts',
  'packages/evidence/src',
  'packages/pades/src',
  'packages/pki/src',
  'packages/sdk/src/wire.ts',
  'package-lock.json',
]

export interface WebBuildOptions {
  /** Where builds are kept: `.cache` of the clone unless told otherwise. */
  cacheDir?: string
  /** Told once when a build is needed, since it takes seconds. */
  onBuild?: () => void
}

/**
 * The folder with the built web pages, built now when no build of exactly these sources is there.
 * Two processes may build at once: the folder appears by rename, and the first one stays.
 */
export async function buildWeb(options: WebBuildOptions = {}): Promise<string> {
  const cacheDir = options.cacheDir ?? join(repository, '.cache')
  const target = join(cacheDir, `web-${await sourceKey()}`)
  if (await exists(join(target, 'index.html'))) return target
  options.onBuild?.()
  await mkdir(cacheDir, { recursive: true })
  const unfinished = `${target}.${process.pid}`
  try {
    await runBuild(unfinished)
    await rename(unfinished, target).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
  await removeOthers(cacheDir, target)
  return target
}

/** Changes with the name or the content of any source file, and with nothing else. */
async function sourceKey(): Promise<string> {
  const hash = createHash('sha256')
  for (const source of sources) {
    for (const path of await filesUnder(join(repository, source))) {
      if (/\.test\.tsx?$/.test(path)) continue
      const content = await readFile(path)
      hash.update(`${path.slice(repository.length)}\0${content.length}\0`)
      hash.update(content)
    }
  }
  return hash.digest('hex').slice(0, 16)
}

async function filesUnder(path: string): Promise<string[]> {
  const found = await stat(path)
  if (found.isFile()) return [path]
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

function runBuild(outDir: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(repository, 'apps/web/build.ts'), outDir], {
      cwd: join(repository, 'apps/web'),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    child.stdout.on('data', (chunk) => {
      said += chunk
    })
    child.stderr.on('data', (chunk) => {
      said += chunk
    })
    child.on('error', reject)
    child.on('exit', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`the web pages did not build (exit ${code}):\n${said}`))
    })
  })
}

/** Earlier builds are of no use; one that another process still serves is read from its open files or rebuilt. */
async function removeOthers(cacheDir: string, keep: string): Promise<void> {
  const builds = (await readdir(cacheDir))
    .filter((name) => /^web-[0-9a-f]{16}$/.test(name))
    .map((name) => join(cacheDir, name))
    .filter((path) => path !== keep)
  const dated = await Promise.all(builds.map(async (path) => ({ path, at: (await stat(path)).mtimeMs })))
  const old = dated.sort((a, b) => b.at - a.at).slice(2)
  for (const { path } of old) await rm(path, { recursive: true, force: true })
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
