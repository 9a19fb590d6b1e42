import { mkdtemp, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '#src/clock.ts'
import { newId } from '#src/ids.ts'
import { type DomainBench, domainSuite } from './domain-suite.ts'
import { diskFull, faultyDisk } from './faulty-disk.ts'
import { createFolderDomain } from './folder-domain.ts'
import { nodeDisk } from './node-disk.ts'

domainSuite('folder', async (): Promise<DomainBench> => {
  const root = await mkdtemp(join(tmpdir(), 'yinxin-domain-'))
  const folder = join(root, 'a')
  const disk = faultyDisk(nodeDisk)

  async function everything(): Promise<Buffer[]> {
    const names = await readdir(root, { recursive: true, withFileTypes: true })
    return await Promise.all(
      names.filter((one) => one.isFile()).map((one) => readFile(join(one.parentPath, one.name))),
    )
  }

  return {
    open: () =>
      createFolderDomain({
        name: 'primary-1',
        site: 'primary',
        folder,
        disk,
        clock: systemClock,
        newName: newId,
        segmentBytes: 1 << 20,
        onQuarantine: () => undefined,
      }),
    clear: () => rm(folder, { recursive: true, force: true }),
    edit: async (holder, change) =>
      await writeFile(join(folder, holder), change(await readFile(join(folder, holder)))),
    lose: (holder) => unlink(join(folder, holder)),
    keeps: async (bytes) => (await everything()).some((one) => one.includes(bytes)),
    async refuseWrites() {
      disk.before = (operation) => {
        if (operation === 'write') throw diskFull()
      }
      return async () => {
        disk.before = () => undefined
      }
    },
    close: () => rm(root, { recursive: true, force: true }),
  }
})
