/**
 * Self-help for a fault of a single person (SLA 3.10, general incidents): what is wrong with my request, my link or my
 * code, whether it is us, and what to do.
 */
import type { SlaService } from '@yinxin/sla'
import { Refusal, type RefusalKind, refusalCatalogue } from '#src/errors.ts'
import { refuse } from './errors.ts'
import type { Incidents } from './incidents.ts'

export interface Question {
  /** An error code as answered by the platform. */
  code?: string | undefined
  /** The request id of an answer. */
  requestId?: string | undefined
  /** A signing link, whole or its token. */
  link?: string | undefined
  userAgent: string
}

export interface Finding {
  about: 'platform' | 'code' | 'request' | 'link' | 'browser'
  /** `ok`, `yours`: you can mend it, `ours`: we must. */
  verdict: 'ok' | 'yours' | 'ours'
  code: string | null
  problem: string
  advice: string[]
}

export interface Diagnosis {
  findings: Finding[]
}

export interface DiagnosisDeps {
  incidents: Pick<Incidents, 'list'>
  /** Resolves when a link can be opened. @throws Refusal that says why not */
  openLink: (token: string) => Promise<unknown>
  /** Why a request of the last hours was refused, as this process remembers. */
  problems: { find(requestId: string): { code: string; status: number } | undefined }
}

type Text = readonly [zh: string, en: string]

const adviceByKind: Record<RefusalKind, readonly Text[]> = {
  invalid: [['按提示改正输入后重试。', 'Correct the input as the message says and try again.']],
  unauthenticated: [
    [
      '重新登录后再试；应用调用请检查 appId、密钥和时间。',
      'Log in again; an app checks its id, secret and clock.',
    ],
  ],
  forbidden: [
    [
      '确认以正确的个人或企业身份操作；如无权限，请联系企业管理员。',
      'Act as the right person or company; ask your administrator for the permission.',
    ],
  ],
  not_found: [
    [
      '核对链接或编号是否完整；可请发起方重新发送。',
      'Check that the link or number is complete; the sender can send it again.',
    ],
  ],
  conflict: [['刷新页面查看当前状态，再决定下一步。', 'Reload to see the present state before going on.']],
  gone: [['链接或内容已失效，请联系发起方重新发送。', 'This has ended; ask the sender for a new one.']],
  too_large: [['压缩或拆分文件后重试。', 'Make the file smaller or split it.']],
  limited: [
    [
      '请求过于频繁，请稍等后再试，不要连续点击。',
      'Wait a little before you try again; do not click repeatedly.',
    ],
  ],
  unavailable: [
    [
      '这是平台一侧的问题，正在处理；请过几分钟原样重试。',
      'This is on our side and is being mended; try again unchanged in a few minutes.',
    ],
  ],
}

const lastResort: readonly Text[] = [
  [
    '换用最新版 Chrome、Edge 或手机自带浏览器打开；微信内请选择“在浏览器打开”。',
    'Use a current Chrome, Edge or the browser of the phone; inside a chat app choose “open in browser”.',
  ],
  [
    '切换网络（Wi-Fi 与移动数据）或重启手机后再试。',
    'Switch between Wi-Fi and mobile data, or restart the phone.',
  ],
  ['仍不能解决时，把本页的诊断号发给客服。', 'If nothing helps, send support the number of this diagnosis.'],
]

export function createDiagnosis({ incidents, openLink, problems }: DiagnosisDeps) {
  return async function diagnose(question: Question, lang: 'zh' | 'en'): Promise<Diagnosis> {
    const say = (text: Text) => text[lang === 'zh' ? 0 : 1]
    const { code, requestId, link, userAgent } = question
    if (!code && !requestId && !link) throw refuse('diagnosis_empty')
    const findings: Finding[] = [await lookAtPlatform(incidents, say)]
    if (code) findings.push(explainCode('code', code, say, lang))
    if (requestId) {
      const known = problems.find(requestId)
      findings.push(
        known === undefined
          ? {
              about: 'request',
              verdict: 'ok',
              code: null,
              problem: say([
                '没有找到这次请求的失败记录：它可能成功了，或已过去太久，或由另一台服务器处理。',
                'No failure of this request is remembered: it may have succeeded, be too long ago, or have met another server.',
              ]),
              advice: [
                say(['若有错误码，请填写错误码再次诊断。', 'If there was an error code, ask again with it.']),
              ],
            }
          : explainCode('request', known.code, say, lang),
      )
    }
    if (link) findings.push(await lookAtLink(link, openLink, say, lang))
    findings.push(lookAtBrowser(userAgent, say))
    return { findings }
  }
}

type Say = (text: Text) => string

async function lookAtPlatform(incidents: Pick<Incidents, 'list'>, say: Say): Promise<Finding> {
  const open = await incidents.list({ published: true, open: true, limit: 20 })
  if (open.length === 0) {
    return {
      about: 'platform',
      verdict: 'ok',
      code: null,
      problem: say(['平台没有进行中的故障。', 'The platform has no open incident.']),
      advice: [],
    }
  }
  const services = [...new Set(open.flatMap((one): SlaService[] => one.services))].join(', ')
  return {
    about: 'platform',
    verdict: 'ours',
    code: null,
    problem: say([
      `平台正在处理故障，影响：${services || '–'}。`,
      `An incident is open and touches: ${services || '–'}.`,
    ]),
    advice: [
      say([
        '请稍后原样重试；进展见状态页。',
        'Try again later, unchanged; the status page tells how it goes.',
      ]),
    ],
  }
}

function explainCode(about: 'code' | 'request', code: string, say: Say, lang: 'zh' | 'en'): Finding {
  const text = refusalCatalogue().get(code)
  if (text === undefined) {
    const isInternal = code === 'internal'
    return {
      about,
      verdict: isInternal ? 'ours' : 'yours',
      code,
      problem: isInternal
        ? say(['服务器内部错误，已记录。', 'A fault inside the server; it was logged.'])
        : say(['没有这个错误码，请核对拼写。', 'There is no such code; check the spelling.']),
      advice: isInternal ? lastResort.slice(2).map(say) : [],
    }
  }
  return {
    about,
    verdict: text.kind === 'unavailable' ? 'ours' : 'yours',
    code,
    // Figures of the one case are not known here.
    problem: text[lang].replace(/\{\w+\}/g, '…'),
    advice: adviceByKind[text.kind].map(say),
  }
}

/** The token of a link, however much of it was pasted. */
export function tokenOf(link: string): string {
  const path = URL.canParse(link) ? new URL(link).pathname : link
  return path.split('/').findLast((part) => part !== '') ?? ''
}

async function lookAtLink(
  link: string,
  openLink: DiagnosisDeps['openLink'],
  say: Say,
  lang: 'zh' | 'en',
): Promise<Finding> {
  try {
    await openLink(tokenOf(link))
    return {
      about: 'link',
      verdict: 'ok',
      code: null,
      problem: say(['链接有效，可以打开。', 'The link is good and can be opened.']),
      advice: [
        say([
          '收不到验证码：核对链接所示的手机或邮箱，查看拦截短信与垃圾邮件，一分钟后重新获取。',
          'No code arrives: check the number or address that the link shows, blocked messages and spam, and ask again after a minute.',
        ]),
      ],
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return {
      about: 'link',
      verdict: error.kind === 'unavailable' ? 'ours' : 'yours',
      code: error.code,
      problem: error[lang],
      advice: adviceByKind[error.kind].map(say),
    }
  }
}

function lookAtBrowser(userAgent: string, say: Say): Finding {
  const chrome = Number(/Chrome\/(\d+)/.exec(userAgent)?.[1] ?? Number.NaN)
  const isOld = /MSIE |Trident\//.test(userAgent) || chrome < 111
  const isInside = /MicroMessenger|DingTalk|QQ\/|AlipayClient/i.test(userAgent)
  const problem: Text = isOld
    ? ['浏览器版本过旧，页面可能无法正常显示。', 'This browser is too old for the pages.']
    : isInside
      ? [
          '您在聊天软件内打开页面，部分功能可能受限。',
          'The page is open inside a chat app, which may keep parts of it from working.',
        ]
      : ['浏览器可用。', 'The browser will do.']
  return {
    about: 'browser',
    verdict: isOld ? 'yours' : 'ok',
    code: null,
    problem: say(problem),
    advice: lastResort.map(say),
  }
}

/** Failed requests that this process remembers, the newest ten thousand. */
export function createProblemMemory(limit = 10_000) {
  const known = new Map<string, { code: string; status: number }>()
  return {
    keep(requestId: string, problem: { code: string; status: number }): void {
      known.set(requestId, problem)
      if (known.size <= limit) return
      for (const oldest of known.keys()) {
        known.delete(oldest)
        break
      }
    },
    find: (requestId: string) => known.get(requestId),
  }
}
