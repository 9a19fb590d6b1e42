/** `--compare DIR`: pages that later revisions changed, drawn before and after, as PNG files and one page of HTML. */
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { changedPages } from '@yinxin/pades'
import { type Lang, Unreadable } from './command.ts'
import { reason } from './reading.ts'

export interface ComparedEntry {
  /** How far the revision went that changed the page. */
  level: string
  /** From 1; null where the page was added or removed. */
  pageBefore: number | null
  pageAfter: number | null
  /** Pixels that look different; null where there is only one picture. */
  pixels: number | null
  /** File names inside the folder. */
  before: string | null
  after: string | null
  difference: string | null
}

/** More pages than people look through are not drawn. */
const MAX_PAGES = 200

/** Draws into the folder, which is made where it is missing. @throws Unreadable when it cannot be written */
export async function comparePagesInto(
  folder: string,
  pdf: Uint8Array,
  path: string,
  lang: Lang,
): Promise<ComparedEntry[]> {
  const changes = changedPages(pdf).slice(0, MAX_PAGES)
  // The renderer is the server's, and half a second to load: only for whom it is wanted.
  const { comparePages } = await import('@yinxin/server')
  const entries: ComparedEntry[] = []
  try {
    await mkdir(folder, { recursive: true })
    for await (const one of comparePages(pdf, changes)) {
      const { change } = one
      const stem = String(entries.length + 1).padStart(3, '0')
      const save = async (view: string, png: Uint8Array | null) => {
        if (png === null) return null
        const name = `${stem}-${view}.png`
        await writeFile(join(folder, name), png)
        return name
      }
      entries.push({
        level: change.level,
        pageBefore: change.before === null ? null : change.before + 1,
        pageAfter: change.after === null ? null : change.after + 1,
        pixels: one.found?.pixels ?? null,
        before: await save('before', one.before),
        after: await save('after', one.after),
        difference: await save('difference', one.difference),
      })
    }
    await writeFile(join(folder, 'index.html'), page(entries, basename(path), lang))
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error
    const words = lang === 'zh' ? '无法写入' : 'cannot write to'
    throw new Unreadable('output_unwritable', `${words} ${folder}: ${reason(error, lang)}`)
  }
  return entries
}

const LEVELS: Record<string, { zh: string; en: string }> = {
  none: { zh: '无可见变化', en: 'nothing visible' },
  validation: { zh: '验证数据', en: 'validation data' },
  signatures: { zh: '后续签署', en: 'a later signature' },
  form: { zh: '填写表单', en: 'form filling' },
  annotations: { zh: '批注变动', en: 'annotations' },
  other: { zh: '内容被改动', en: 'contents changed' },
}

/** One line per page for the terminal. */
export function comparedWords(entries: readonly ComparedEntry[], lang: Lang): string {
  if (entries.length === 0)
    return lang === 'zh' ? '\n签署之后没有页面被改动\n' : '\nno page was changed after signing\n'
  return `\n${entries.map((one) => `  ${title(one, lang)}`).join('\n')}\n`
}

function title({ level, pageBefore, pageAfter, pixels }: ComparedEntry, lang: Lang): string {
  const zh = lang === 'zh'
  const what = LEVELS[level]?.[lang] ?? level
  const page = zh ? `第 ${pageAfter ?? pageBefore} 页` : `page ${pageAfter ?? pageBefore}`
  if (pageBefore === null) return zh ? `${page} · 后来加入 · ${what}` : `${page} · added later · ${what}`
  if (pageAfter === null) return zh ? `${page} · 后来删除 · ${what}` : `${page} · removed later · ${what}`
  const seen =
    pixels === 0
      ? zh
        ? '看不出差别'
        : 'looks the same'
      : zh
        ? `${pixels} 个像素不同`
        : `${pixels} pixels differ`
  return `${page} · ${what} · ${seen}`
}

function page(entries: readonly ComparedEntry[], name: string, lang: Lang): string {
  const zh = lang === 'zh'
  const words = zh
    ? {
        before: '之前',
        after: '之后',
        difference: '差别',
        none: '签署之后没有页面被改动。',
        head: '签署之后的页面变化',
      }
    : {
        before: 'before',
        after: 'after',
        difference: 'difference',
        none: 'No page was changed after signing.',
        head: 'Pages changed after signing',
      }
  const figure = (file: string | null, caption: string) =>
    file === null
      ? ''
      : `<figure><figcaption>${caption}</figcaption><img src="${file}" alt="${caption}"></figure>`
  const sections = entries.map(
    (one) =>
      `<section><h2>${escaped(title(one, lang))}</h2><div>${figure(one.before, words.before)}${figure(one.after, words.after)}${figure(one.difference, words.difference)}</div></section>`,
  )
  return `<!doctype html>
<html lang="${zh ? 'zh-CN' : 'en'}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(name)}</title>
<style>
body{font:16px/1.6 system-ui,sans-serif;margin:2rem auto;max-width:100rem;padding:0 1rem;color:#1d1d1f;background:#f5f4f1}
h1{font-size:1.3rem;overflow-wrap:anywhere}h2{font-size:1rem}
div{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr));gap:1rem}
figure{margin:0}figcaption{color:#6b6b70}img{width:100%;background:#fff;border:1px solid #d8d5cf}
</style>
<h1>${escaped(words.head)} · ${escaped(name)}</h1>
${sections.length === 0 ? `<p>${words.none}</p>` : sections.join('\n')}
</html>
`
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
