/**
 * For `node --import …/without-call.ts?SITE`: loads a file of the storage room without one of its calls, so that a proof
 * can be seen to fail. SITE is the JSON of a sync site.
 */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type SyncSite, storageRoom, withoutCall } from '../../simulate/sync-sites.ts'

const site = JSON.parse(decodeURIComponent(new URL(import.meta.url).search.slice(1))) as SyncSite
const mutated = pathToFileURL(join(storageRoom, site.file)).href

registerHooks({
  load(url, context, next) {
    if (url !== mutated) return next(url, context)
    const source = withoutCall(readFileSync(new URL(url), 'utf8'), site)
    return { format: 'module-typescript', source, shortCircuit: true }
  },
})
