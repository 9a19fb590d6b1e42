/** Serves the built web pages: files as they are, every other page address with the one HTML file. */
import { readdir } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance, FastifyReply } from 'fastify'

export { buildWeb, type WebBuildOptions } from './build.ts'

/**
 * What a page of ours may load: itself and nothing else. `wasm-unsafe-eval` lets pdf.js compile its image
 * decoders; `data:` and `blob:` images are drawn signatures and pictures inside PDF files. The worker of pdf.js
 * lives under the policy of its own file, so scripts carry it too.
 */
const pagePolicy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self' data:",
  "worker-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

/** Addresses that belong to machines: an unknown one is a problem, never a page. */
const machinePaths = /^\/(api|sandbox|ca|tsa|log|healthz|readyz)(\/|$)/

export interface WebDeps {
  app: FastifyInstance
  /** A folder made by `buildWeb`. */
  directory: string
}

/** Adds the web pages to a server; to be called after all other routes are declared. */
export async function addWeb({ app, directory }: WebDeps): Promise<void> {
  const files = await listFiles(directory)
  await app.register(async (scope) => {
    await scope.register(fastifyStatic, { root: directory, serve: false, preCompressed: true, index: false })
    scope.addHook('onSend', async (_request, reply) => {
      const type = String(reply.getHeader('content-type') ?? '')
      if (/html|javascript/.test(type)) reply.header('content-security-policy', pagePolicy)
    })
    const open = { schema: { hide: true } } as object
    scope.get<{ Params: { '*': string } }>('/*', open, async (request, reply) => {
      const path = request.params['*']
      if (machinePaths.test(`/${path}`)) return reply.callNotFound()
      if (path !== 'index.html' && files.has(path)) return sendAsset(reply, path)
      // A missing script must fail as one, or the browser would try to run the page.
      if (/^(assets|pdf)\//.test(path) || !acceptsPage(request.headers.accept)) return reply.callNotFound()
      reply.header('cache-control', 'no-cache')
      return reply.sendFile('index.html', { cacheControl: false })
    })
  })
}

/** Built files carry a hash of their content in their name; the data of pdf.js only changes with its version. */
function sendAsset(reply: FastifyReply, path: string): FastifyReply {
  const lasting = path.startsWith('assets/')
  // The offline verifier is a file to keep: under this site's policy its own script would not run.
  if (path.startsWith('offline/')) reply.header('content-disposition', 'attachment')
  return reply.sendFile(path, { maxAge: lasting ? '365d' : '1d', immutable: lasting })
}

function acceptsPage(accept: string | undefined): boolean {
  return accept === undefined || /text\/html|\*\/\*/.test(accept)
}

async function listFiles(directory: string): Promise<Set<string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return new Set(
    entries
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.br'))
      .map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join('/')),
  )
}
