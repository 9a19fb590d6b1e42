import { escapeHtml, type PublicPage, publicPage, shown } from '#src/public-page.ts'
import type { StatusView } from './status.ts'

type Language = 'zh' | 'en'

const names = {
  frontend: { zh: '前端服务', en: 'Frontend' },
  backend: { zh: '后端服务', en: 'Backend' },
  upload: { zh: '上传服务', en: 'Upload' },
  signing: { zh: '签署服务', en: 'Signing' },
  certificate: { zh: '证书签发', en: 'Certificate issuance' },
}
const states = {
  up: { tone: 'good', zh: '✓ 正常', en: '✓ working' },
  down: { tone: 'bad', zh: '✕ 故障', en: '✕ incident' },
  maintenance: { tone: 'wait', zh: '⚙ 计划维护', en: '⚙ maintenance' },
  unknown: { tone: 'void', zh: '◌ 没有近期数据', en: '◌ no recent data' },
}

/** @param where addresses, which differ between the server and a folder */
export function statusPage(
  view: StatusView,
  lang: Language,
  where: Pick<PublicPage, 'languages' | 'links'> & { json: string },
): string {
  const say = (zh: string, en: string) => (lang === 'zh' ? zh : en)
  const some = (state: keyof typeof states) => view.services.some((one) => one.state === state)
  const [tone, verdict] = some('down')
    ? ['bad', say('部分服务故障', 'Some services have an incident')]
    : some('maintenance')
      ? ['wait', say('正在计划维护', 'Planned maintenance is under way')]
      : some('unknown')
        ? ['void', say('没有近期数据，状态未知', 'No recent data: the state is not known')]
        : ['good', say('全部服务正常', 'All services work')]
  const touched = (services: readonly (keyof typeof names)[]) =>
    services.map((service) => names[service][lang]).join(' · ')
  const services = view.services.map(({ service, state, days }) => {
    const down = days.reduce((sum, one) => sum + (one.downMinutes ?? 0), 0)
    const bars = days.map(({ day, downMinutes }) => {
      const text =
        downMinutes === null
          ? say('未测量', 'not measured')
          : say(`宕机 ${downMinutes} 分钟`, `${downMinutes} min down`)
      return `<i class="${downMinutes === null ? '' : downMinutes > 0 ? 'bad' : 'good'}" title="${day} ${text}"></i>`
    })
    const told = say(`90 天宕机 ${down} 分钟`, `${down} minutes down in 90 days`)
    return `<section class="card"><div class="row"><h3>${names[service][lang]}</h3><span class="badge ${states[state].tone}">${states[state][lang]}</span></div>
<div class="days" role="img" aria-label="${told}">${bars.join('')}</div>
<p class="row small muted"><span>${days[0]?.day ?? ''}</span><span>${told}</span><span>${days.at(-1)?.day ?? ''}</span></p></section>`
  })
  const incidents = view.incidents.map((one) => {
    const open = one.resolvedAt === null
    return `<section class="card"><div class="row"><h3>#${one.number} ${escapeHtml(lang === 'zh' ? one.titleZh : one.titleEn)}</h3>
<span class="badge ${open ? 'bad' : 'good'}">${open ? say('处理中', 'open') : say('已恢复', 'resolved')}</span></div>
<p class="small muted">${one.class === 'severe' ? say('严重', 'severe') : say('一般', 'general')} · ${touched(one.services)} · ${shown(one.beganAt)} – ${one.resolvedAt === null ? '…' : shown(one.resolvedAt)} UTC</p>
<ol class="timeline">${one.updates.map(({ at, textZh, textEn }) => `<li><span class="muted">${shown(at)}</span> ${escapeHtml(lang === 'zh' ? textZh : textEn)}</li>`).join('')}</ol></section>`
  })
  const planned = view.maintenance.map(
    (one) =>
      `<section class="card"><p><strong>${shown(one.from)} – ${shown(one.to)} UTC</strong> ${one.withdrawn ? say('（已撤回）', '(withdrawn)') : ''}</p><p class="small muted">${touched(one.services)}</p>${escapeHtml(lang === 'zh' ? one.textZh : one.textEn)}</section>`,
  )
  const none = (text: string) => `<p class="muted">${text}</p>`
  return publicPage({
    lang,
    title: { zh: '服务状态', en: 'Status' },
    madeAt: new Date(view.madeAt),
    languages: where.languages,
    links: where.links,
    body: `<p class="verdict ${tone}">${verdict}</p>
<h2>${say('服务', 'Services')}</h2>${services.join('\n')}
<p class="small muted">${say('宕机按协议 3.8 计算（连续 5 分钟及以上）；日期为北京时间。', 'Downtime as clause 3.8 counts it (five minutes on end and more); days are those of Beijing.')} <a href="${where.json}">JSON</a></p>
<h2>${say('故障', 'Incidents')}</h2>${incidents.join('\n') || none(say('90 天内没有公布的故障。', 'No published incident in 90 days.'))}
<h2>${say('计划维护', 'Planned maintenance')}</h2>${planned.join('\n') || none(say('没有计划维护。', 'None is announced.'))}`,
  })
}
