/** Builds the offline verifier: one HTML file that carries its script and its style, and may load nothing else. */
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

const here = dirname(fileURLToPath(import.meta.url))

/** The page's text. */
export async function buildOfflinePage(): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: 'warn',
    build: {
      write: false,
      target: ['es2020', 'chrome90', 'safari14'],
      lib: {
        entry: join(here, 'src/offline/offline.ts'),
        formats: ['iife'],
        name: 'yinxin',
        fileName: 'offline',
      },
    },
  })
  const outputs = (Array.isArray(result) ? result : [result]).flatMap((one) =>
    'output' in one ? one.output : [],
  )
  let script = ''
  let style = ''
  for (const output of outputs) {
    if (output.type === 'chunk') script += output.code
    else if (output.fileName.endsWith('.css')) style += String(output.source)
  }
  if (script === '' || style === '') throw new Error('the offline page has no script or no style')
  if (script.includes('</script') || style.includes('</style'))
    throw new Error('the page would end its own script')
  // Script and style are named by their hashes and nothing else is allowed, so the page cannot reach any network.
  const policy = `default-src 'none'; script-src ${sourceOf(script)}; style-src ${sourceOf(style)}`
  return [
    '<!doctype html>',
    '<html lang="zh-CN">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<title>印信离线核验 · Yinxin offline verifier</title>',
    `<style>${style}</style>`,
    '</head>',
    '<body>',
    `<script>${script}</script>`,
    '</body>',
    '</html>',
    '',
  ].join('\n')
}

const sourceOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
