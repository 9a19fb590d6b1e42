import { createReadStream } from 'node:fs'
import { cp, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, normalize, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

const here = dirname(fileURLToPath(import.meta.url))
const pdfjs = dirname(createRequire(import.meta.url).resolve('pdfjs-dist/package.json'))

/** What pdf.js fetches while it reads: CJK character maps, the 14 standard fonts, decoders, colour profiles. */
const pdfAssets = ['cmaps', 'standard_fonts', 'wasm', 'iccs']

/** Serves the data files of pdf.js from this site under /pdf/, since nothing may be fetched from elsewhere. */
function pdfFiles(): Plugin {
  let outDir = ''
  return {
    name: 'pdf-files',
    configResolved(config) {
      outDir = resolve(config.root, config.build.outDir)
    },
    configureServer(server) {
      server.middlewares.use('/pdf/', (request, response, next) => {
        const path = normalize(decodeURIComponent((request.url ?? '').split('?')[0] ?? ''))
        const known = pdfAssets.some((folder) => path.startsWith(`/${folder}/`))
        const file = join(pdfjs, path)
        if (!known) return next()
        stat(file).then(
          () => createReadStream(file).pipe(response),
          () => next(),
        )
      })
    },
    async closeBundle() {
      for (const folder of pdfAssets) {
        await cp(join(pdfjs, folder), join(outDir, 'pdf', folder), { recursive: true })
      }
    },
  }
}

export default defineConfig({
  root: here,
  plugins: [react(), pdfFiles()],
  build: {
    target: ['es2020', 'chrome90', 'safari14'],
    sourcemap: false,
    // Inlined data: assets would need a looser content security policy.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
  },
  worker: { format: 'es' },
  server: {
    host: '127.0.0.1',
    port: 8421,
    proxy: { '^/(api|sandbox|ca|log|healthz)(/|$)': process.env.YINXIN_API ?? 'http://127.0.0.1:8420' },
  },
})
