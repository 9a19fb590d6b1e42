import { expect, it } from 'vitest'
import { apiChanges, bare, readAnnouncements, readReleased, untold } from '../scripts/api-changes.ts'
import { startTestApp } from './app.ts'

type Document = ReturnType<typeof readReleased>

it('whatever changed in the API since it was released stands in an announcement', async () => {
  const server = await startTestApp()
  try {
    const document = (await (await fetch(`${server.url}/api/v1/openapi.json`)).json()) as Document
    const open = untold(apiChanges(readReleased(), bare(document) as Document), readAnnouncements())
    expect(open, 'add a file to announcements/ that names these (node scripts/api-changes.ts URL)').toEqual(
      [],
    )
    // The comparison can fail: a route that was never there is missed.
    const more = { paths: { ...(document.paths as object), '/api/v1/gone': { get: {} } } } as Document
    expect(untold(apiChanges(more, document), [])).toContain('GET /api/v1/gone is gone (breaks programs)')
  } finally {
    await server.stop()
  }
})
