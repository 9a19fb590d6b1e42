import { escapeHtml, publicPage, shown } from '#src/public-page.ts'
import type { PromiseRow, PromiseState, SignedPromises } from './promises.ts'

type Language = 'zh' | 'en'

const states: Record<PromiseState, { tone: 'good' | 'bad' | 'void'; zh: string; en: string }> = {
  met: { tone: 'good', zh: '✓ 满足', en: '✓ met' },
  missed: { tone: 'bad', zh: '✕ 不满足', en: '✕ not met' },
  stale: { tone: 'void', zh: '◌ 数据过期', en: '◌ stale' },
  unmeasured: { tone: 'void', zh: '◌ 未能测量', en: '◌ not measured' },
}

const labels = {
  clause: { zh: '条款', en: 'Clause' },
  promised: { zh: '承诺', en: 'Promised' },
  measured: { zh: '实测', en: 'Measured' },
  when: { zh: '何时、如何测量', en: 'When and how' },
  evidence: { zh: '查看依据', en: 'evidence' },
}

/** The agreement, clause by clause, against what was measured. */
export function promisesPage({ statement }: SignedPromises, lang: Language): string {
  const count = (...wanted: PromiseState[]) =>
    statement.rows.filter(({ state }) => wanted.includes(state)).length
  const [met, missed, grey] = [count('met'), count('missed'), count('stale', 'unmeasured')]
  const summary =
    lang === 'zh'
      ? `${met} 项满足，${missed} 项不满足，${grey} 项在本安装上未能测量或数据过期`
      : `${met} met, ${missed} not met, ${grey} stale or not measured on this installation`
  const unreal =
    statement.environment.developmentCa || statement.environment.simulators.length > 0
      ? `<p class="card wait">${lang === 'zh' ? '开发测试环境：证书与模拟服务不具法律效力。' : 'A development environment: its certificates and simulators have no legal effect.'}</p>`
      : ''
  return publicPage({
    lang,
    title: { zh: '承诺与实测', en: 'Promised and measured' },
    madeAt: new Date(statement.madeAt),
    languages: { zh: '?lang=zh', en: '?lang=en' },
    links: [
      ['/status', { zh: '服务状态', en: 'Status' }],
      ['/sla', { zh: '可用性', en: 'Availability' }],
    ],
    body: `${unreal}<p class="verdict ${missed > 0 ? 'bad' : met > 0 ? 'good' : 'void'}">${summary}</p>
<p class="small muted">${
      lang === 'zh'
        ? '数值来自测量，从不来自设置。<a href="/api/v1/promises">签名的 JSON</a>（<a href="/api/v1/sla/vkey">公钥</a>）'
        : 'Figures are measured, never read from settings. <a href="/api/v1/promises">Signed JSON</a> (<a href="/api/v1/sla/vkey">public key</a>)'
    }</p>
<table><thead><tr><th>${labels.clause[lang]}</th><th>${labels.promised[lang]}</th><th>${labels.measured[lang]}</th><th>${labels.when[lang]}</th></tr></thead>
<tbody>${statement.rows.map((row) => rowHtml(row, lang)).join('\n')}</tbody></table>`,
  })
}

function rowHtml(row: PromiseRow, lang: Language): string {
  const state = states[row.state]
  const evidence =
    row.evidence === null
      ? ''
      : `<small><a href="${escapeHtml(row.evidence)}">${labels.evidence[lang]}</a></small>`
  const when = row.measuredAt === null ? '' : `${shown(row.measuredAt)} UTC`
  return `<tr id="${row.key.replace('/', '-')}"><td><strong>${row.clause} ${escapeHtml(row.title[lang])}</strong></td>
<td data-label="${labels.promised[lang]}">${escapeHtml(row.promised[lang])}</td>
<td data-label="${labels.measured[lang]}"><span class="badge ${state.tone}">${state[lang]}</span><small>${escapeHtml(row.measured[lang])}</small></td>
<td data-label="${labels.when[lang]}">${when}<small>${escapeHtml(row.how[lang])}</small>${evidence}</td></tr>`
}
