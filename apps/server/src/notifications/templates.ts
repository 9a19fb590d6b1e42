export type Lang = 'zh' | 'en'

/** What each template needs. Times come already worded, because only the caller knows the reader's zone. */
export interface TemplateParams {
  'login-code': { code: string; minutes: number }
  'destruction-code': { code: string; minutes: number }
  'export-code': { code: string; minutes: number }
  'sign-code': { code: string; minutes: number; taskTitle: string }
  'sign-invitation': { taskTitle: string; initiatorName: string; link: string; deadline?: string }
  urge: { taskTitle: string; initiatorName: string; link: string; deadline?: string }
  'task-finished': { taskTitle: string; link: string }
  'task-rejected': { taskTitle: string; actorName: string; reason: string; link?: string }
  'task-canceled': { taskTitle: string; initiatorName: string; reason: string; link?: string }
  'task-expired': { taskTitle: string; link?: string }
  'sign-failed': { taskTitle: string; actorName: string; reason: string; link?: string }
  'destruction-notice': { taskTitle: string; initiatorName: string; date: string; link: string }
  'export-ready': { link: string; bucket?: string; lost?: number }
  /** To the operator's own people. */
  'operator-alert': { title: string; detail: string; link: string }
}
export type TemplateName = keyof TemplateParams

export interface Message {
  subject: string
  body: string
  code: string | null
  link: string | null
}

type Wording<Name extends TemplateName> = (params: TemplateParams[Name]) => { subject: string; body: string }

const WORDINGS: { [Name in TemplateName]: Record<Lang, Wording<Name>> } = {
  'login-code': {
    zh: ({ code, minutes }) => ({
      subject: '登录验证码',
      body: `您的登录验证码是 ${code}，${minutes} 分钟内有效。请勿告诉任何人；如非本人操作，请忽略。`,
    }),
    en: ({ code, minutes }) => ({
      subject: 'Your log-in code',
      body: `Your log-in code is ${code}, valid for ${minutes} minutes. Tell it to nobody; ignore this message if you did not ask for it.`,
    }),
  },
  'destruction-code': {
    zh: ({ code, minutes }) => ({
      subject: '销毁验证码',
      body: `您正在申请销毁合同，验证码是 ${code}，${minutes} 分钟内有效。销毁后无法恢复；如非本人操作，请勿告诉任何人，并立即联系管理员。`,
    }),
    en: ({ code, minutes }) => ({
      subject: 'Your code for a destruction',
      body: `You are about to ask for the destruction of a contract. The code is ${code}, valid for ${minutes} minutes. What is destroyed cannot be restored: if this was not you, tell the code to nobody and call your administrator.`,
    }),
  },
  'export-code': {
    zh: ({ code, minutes }) => ({
      subject: '数据导出验证码',
      body: `您正在申请导出全部数据，验证码是 ${code}，${minutes} 分钟内有效。如非本人操作，请勿告诉任何人，并立即联系管理员。`,
    }),
    en: ({ code, minutes }) => ({
      subject: 'Your code for a data export',
      body: `You are about to export all data. The code is ${code}, valid for ${minutes} minutes. If this was not you, tell the code to nobody and call your administrator.`,
    }),
  },
  'sign-code': {
    zh: ({ code, minutes, taskTitle }) => ({
      subject: '签署验证码',
      body: `您正在签署《${taskTitle}》，验证码是 ${code}，${minutes} 分钟内有效。输入即表示您同意签署；如非本人操作，请勿告诉任何人。`,
    }),
    en: ({ code, minutes, taskTitle }) => ({
      subject: 'Your signing code',
      body: `You are about to sign “${taskTitle}”. The code is ${code}, valid for ${minutes} minutes. Entering it means that you agree to sign; tell it to nobody.`,
    }),
  },
  'sign-invitation': {
    zh: ({ taskTitle, initiatorName, link, deadline }) => ({
      subject: `${initiatorName} 请您签署《${taskTitle}》`,
      body: `${initiatorName} 请您签署《${taskTitle}》${deadline ? `，请在 ${deadline} 前完成` : ''}。打开链接，核对身份后阅读并签署：${link}`,
    }),
    en: ({ taskTitle, initiatorName, link, deadline }) => ({
      subject: `${initiatorName} asks you to sign “${taskTitle}”`,
      body: `${initiatorName} asks you to sign “${taskTitle}”${deadline ? ` by ${deadline}` : ''}. Open the link, prove who you are, read and sign: ${link}`,
    }),
  },
  urge: {
    zh: ({ taskTitle, initiatorName, link, deadline }) => ({
      subject: `提醒：《${taskTitle}》待您签署`,
      body: `${initiatorName} 提醒您：《${taskTitle}》仍待您签署${deadline ? `，截止 ${deadline}` : ''}。${link}`,
    }),
    en: ({ taskTitle, initiatorName, link, deadline }) => ({
      subject: `Reminder: “${taskTitle}” waits for you`,
      body: `${initiatorName} reminds you that “${taskTitle}” still waits for your signature${deadline ? `, due ${deadline}` : ''}. ${link}`,
    }),
  },
  'task-finished': {
    zh: ({ taskTitle, link }) => ({
      subject: `《${taskTitle}》已完成签署`,
      body: `《${taskTitle}》已由各方签署完成。查看、下载或验证：${link}`,
    }),
    en: ({ taskTitle, link }) => ({
      subject: `“${taskTitle}” is signed by all`,
      body: `All parties have signed “${taskTitle}”. Read, download or verify it: ${link}`,
    }),
  },
  'task-rejected': {
    zh: ({ taskTitle, actorName, reason, link }) => ({
      subject: `《${taskTitle}》被拒签`,
      body: `${actorName} 拒绝签署《${taskTitle}》，原因：${reason}${tail('。', link)}`,
    }),
    en: ({ taskTitle, actorName, reason, link }) => ({
      subject: `“${taskTitle}” was rejected`,
      body: `${actorName} refused to sign “${taskTitle}”. Reason: ${reason}${tail('. ', link)}`,
    }),
  },
  'task-canceled': {
    zh: ({ taskTitle, initiatorName, reason, link }) => ({
      subject: `《${taskTitle}》已撤销`,
      body: `${initiatorName} 撤销了《${taskTitle}》，原因：${reason}${tail('。', link)}`,
    }),
    en: ({ taskTitle, initiatorName, reason, link }) => ({
      subject: `“${taskTitle}” was canceled`,
      body: `${initiatorName} canceled “${taskTitle}”. Reason: ${reason}${tail('. ', link)}`,
    }),
  },
  'task-expired': {
    zh: ({ taskTitle, link }) => ({
      subject: `《${taskTitle}》已过期`,
      body: `《${taskTitle}》未在截止时间前完成签署，已过期${tail('。', link)}`,
    }),
    en: ({ taskTitle, link }) => ({
      subject: `“${taskTitle}” has expired`,
      body: `“${taskTitle}” was not signed by all before its deadline and has expired${tail('. ', link)}`,
    }),
  },
  'sign-failed': {
    zh: ({ taskTitle, actorName, reason, link }) => ({
      subject: `《${taskTitle}》自动签署失败`,
      body: `${actorName} 对《${taskTitle}》的免验证签署未能完成，原因：${reason}。签署未生效，请处理后重试${tail('：', link)}`,
    }),
    en: ({ taskTitle, actorName, reason, link }) => ({
      subject: `Automatic signing of “${taskTitle}” failed`,
      body: `The free signing of “${taskTitle}” by ${actorName} could not be done. Reason: ${reason}. Nothing was signed; mend the cause and try again${tail(': ', link)}`,
    }),
  },
  'export-ready': {
    zh: ({ link, bucket, lost }) => ({
      subject: lost === undefined ? '数据导出已完成' : `数据导出已完成，但有 ${lost} 项遗失`,
      body: `${lost === undefined ? '' : `有 ${lost} 项内容在本平台已无法读取，清单中逐项列出；其余完整。`}${
        bucket === undefined
          ? `您的数据导出已完成，可以下载：${link}。如非您本人或同事发起，请立即取消并检查账号。`
          : `您的数据导出已完成，并已写入存储桶 ${bucket}：${link}。如非您本人或同事发起，请立即检查账号。`
      }`,
    }),
    en: ({ link, bucket, lost }) => ({
      subject:
        lost === undefined ? 'Your data export is ready' : `Your data export is ready, with ${lost} lost`,
      body: `${lost === undefined ? '' : `${lost} of its entries cannot be read here any more; the manifest names each, and everything else is whole. `}${
        bucket === undefined
          ? `Your data export is ready to be downloaded: ${link}. If neither you nor a colleague asked for it, cancel it at once and look after your account.`
          : `Your data export is ready and was put into the bucket ${bucket}: ${link}. If neither you nor a colleague asked for it, look after your account at once.`
      }`,
    }),
  },
  'operator-alert': {
    zh: ({ title, detail, link }) => ({ subject: title, body: `${title}：${detail} ${link}` }),
    en: ({ title, detail, link }) => ({ subject: title, body: `${title}: ${detail} ${link}` }),
  },
  'destruction-notice': {
    zh: ({ taskTitle, initiatorName, date, link }) => ({
      subject: `《${taskTitle}》将于 ${date} 销毁`,
      body: `${initiatorName} 的服务期已满，《${taskTitle}》将于 ${date} 销毁，此后任何人都无法恢复。如需留存，请在此之前下载：${link}`,
    }),
    en: ({ taskTitle, initiatorName, date, link }) => ({
      subject: `“${taskTitle}” will be destroyed on ${date}`,
      body: `The service of ${initiatorName} has ended, and “${taskTitle}” will be destroyed on ${date}; nobody can restore it afterwards. Download what you need before: ${link}`,
    }),
  },
}

function tail(joint: string, link: string | undefined): string {
  return link === undefined ? joint.trimEnd().replace('：', '。').replace(':', '.') : `${joint}${link}`
}

/** Words a message. A text message gets the sender's name in front, as carriers in China demand. */
export function wordMessage<Name extends TemplateName>(
  channel: 'mail' | 'sms',
  lang: Lang,
  template: Name,
  params: TemplateParams[Name],
): Message {
  const worded = WORDINGS[template][lang](params)
  return {
    subject: worded.subject,
    body: channel === 'sms' ? `${lang === 'zh' ? '【印信】' : '[Yinxin] '}${worded.body}` : worded.body,
    code: 'code' in params ? params.code : null,
    link: 'link' in params ? (params.link ?? null) : null,
  }
}
