/** Public pages that need no script: one document each, readable from a cache or a folder when no server answers. */
type Language = 'zh' | 'en'

export interface PublicPage {
  lang: Language
  title: Record<Language, string>
  /** When what it says was true; a copy of the page tells its age by it. */
  madeAt: Date
  /** Where the page is in each language, from itself. */
  languages: Record<Language, string>
  /** Other public pages: address and name. */
  links: readonly (readonly [string, Record<Language, string>])[]
  body: string
}

const aged: Record<Language, (time: string) => string> = {
  zh: (time) =>
    `数据截至 <time datetime="${time}">${shown(time)}</time>（UTC）。若此刻已过去很久，您看到的是缓存副本。`,
  en: (time) =>
    `As of <time datetime="${time}">${shown(time)}</time> UTC. If that is long ago, you are reading a cached copy.`,
}

export function publicPage({ lang, title, madeAt, languages, links, body }: PublicPage): string {
  const other = lang === 'zh' ? 'en' : 'zh'
  return `<!doctype html>
<html lang="${lang === 'zh' ? 'zh-CN' : 'en'}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title[lang])} · 印信</title>
<style>${style}</style>
</head>
<body>
<header><h1>${escapeHtml(title[lang])}<small>印信 Yinxin</small></h1>
<nav>${links.map(([href, name]) => `<a href="${escapeHtml(href)}">${escapeHtml(name[lang])}</a>`).join('')}<a href="${escapeHtml(languages[other])}" lang="${other}" hreflang="${other}">${other === 'en' ? 'English' : '中文'}</a></nav></header>
<p class="muted">${aged[lang](madeAt.toISOString())}</p>
${body}
</body>
</html>
`
}

export const escapeHtml = (text: string) =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

/** `2026-11-24 08:05` of an ISO time. */
export const shown = (iso: string) => iso.slice(0, 16).replace('T', ' ')

/** What caches may keep, and what they may go on showing while no server answers. */
export const publicCache = 'public, max-age=30, stale-while-revalidate=60, stale-if-error=86400'

const style = `
:root{color-scheme:light dark;--paper:#fbfaf7;--surface:#fff;--ink:#1c1b19;--muted:#6b675f;--line:#e5e1d8;
--good:#1b7f5c;--good-wash:#e8f4ef;--bad:#a51f23;--bad-wash:#fbeeec;--wait:#8f5c10;--wait-wash:#fbf3e2;--void:#6b675f;--void-wash:#f0ede6}
@media (prefers-color-scheme:dark){:root{--paper:#161513;--surface:#1f1e1b;--ink:#edeae3;--muted:#a39e93;--line:#34322d;
--good:#5cc49b;--good-wash:#17301f;--bad:#f08a80;--bad-wash:#3a1b18;--wait:#e0b060;--wait-wash:#33280f;--void:#a39e93;--void-wash:#2a2823}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1080px;padding:24px;background:var(--paper);color:var(--ink);
font:14px/1.6 "PingFang SC","HarmonyOS Sans SC","Noto Sans SC","Noto Sans CJK SC",system-ui,sans-serif;font-variant-numeric:tabular-nums}
header{display:flex;flex-wrap:wrap;gap:4px 16px;align-items:baseline;justify-content:space-between}
h1{margin:0;font:600 28px/1.3 "Noto Serif SC","Noto Serif CJK SC","Songti SC",serif}
h1 small{margin-left:12px;color:var(--muted);font-size:14px;font-weight:400}
h2{margin:32px 0 12px;font-size:18px}
h3{margin:0 0 4px;font-size:15px}
p{margin:0 0 8px}
nav{display:flex;flex-wrap:wrap;gap:0 16px}
nav a{padding:10px 0}
a{color:inherit;text-underline-offset:3px}
.muted{color:var(--muted)}
.small{font-size:13px}
.card{margin:0 0 12px;padding:14px 16px;border:1px solid var(--line);border-radius:6px;background:var(--surface);overflow-wrap:anywhere}
.row{display:flex;flex-wrap:wrap;gap:4px 12px;align-items:baseline;justify-content:space-between}
.verdict{padding:16px;border-left:4px solid;border-radius:6px;font:600 20px/1.4 "Noto Serif SC","Noto Serif CJK SC","Songti SC",serif}
.good{color:var(--good)}.bad{color:var(--bad)}.wait{color:var(--wait)}.void{color:var(--void)}
.verdict.good{background:var(--good-wash)}.verdict.bad{background:var(--bad-wash)}.verdict.wait{background:var(--wait-wash)}.verdict.void{background:var(--void-wash)}
.badge{display:inline-block;padding:0 8px;border-radius:4px;white-space:nowrap;background:var(--void-wash)}
.badge.good{background:var(--good-wash)}.badge.bad{background:var(--bad-wash)}.badge.wait{background:var(--wait-wash)}
.days{display:flex;gap:2px;height:32px;margin:8px 0 4px}
.days i{flex:1 1 0;min-width:1px;border-radius:1px;background:var(--line)}
.days i.good{background:var(--good)}.days i.bad{background:var(--bad)}.days i.wait{background:var(--wait)}
ol.timeline{margin:8px 0 0;padding:0;list-style:none;border-left:2px solid var(--line)}
ol.timeline li{padding:2px 0 2px 12px}
table{width:100%;border-collapse:collapse;background:var(--surface);border:1px solid var(--line)}
th,td{padding:10px 12px;border-top:1px solid var(--line);text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{border-top:0;color:var(--muted);font-size:12px;font-weight:400}
td small{display:block;color:var(--muted);font-size:12px}
@media (max-width:760px){
body{padding:16px;font-size:16px}
.days{gap:1px}
table,tbody,tr,td{display:block}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table{border:0;background:none}
tr{margin-bottom:12px;padding:8px 14px;border:1px solid var(--line);border-radius:6px;background:var(--surface)}
td{padding:4px 0;border:0}
td[data-label]::before{content:attr(data-label);display:block;color:var(--muted);font-size:12px}
}
@media print{body{max-width:none}nav{display:none}}
`
