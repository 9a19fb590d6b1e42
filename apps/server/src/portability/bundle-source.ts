/** An export on disk: an archive, or the folder that it was unpacked to. */
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type ExportItem, readTar, type TarDamage } from '@yinxin/evidence'

export interface BundleSource {
  ordered: boolean
  /** Reads from the beginning; what the archive's reader meets goes into `damage`. */
  items(damage: TarDamage[]): AsyncIterable<ExportItem>
}

const READ_BYTES = 1 << 20

/** @throws when there is nothing readable at the path */
export async function openBundle(path: string): Promise<BundleSource> {
  const facts = await stat(path)
  if (facts.isDirectory()) return { ordered: false, items: () => folderItems(path, '') }
  if (!facts.isFile()) throw new Error('neither a file nor a folder')
  return {
    ordered: true,
    items: (damage) =>
      readTar(createReadStream(path, { highWaterMark: READ_BYTES }), (one) => void damage.push(one)),
  }
}

/** Files in the order of their names, so that the entries of a contract come together. Links are never followed. */
async function* folderItems(root: string, below: string): AsyncGenerator<ExportItem> {
  const found = await readdir(join(root, below), { withFileTypes: true })
  found.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  for (const entry of found) {
    // Some file systems keep names in another form of Unicode than they were given.
    const path = (below === '' ? entry.name : `${below}/${entry.name}`).normalize('NFC')
    if (entry.isDirectory()) yield* folderItems(root, path)
    else if (entry.isFile())
      yield { path, content: createReadStream(join(root, path), { highWaterMark: READ_BYTES }) }
    // Anything else has no content that could be right.
    else yield { path, content: nothing() }
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
