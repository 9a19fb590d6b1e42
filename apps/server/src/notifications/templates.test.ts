import { describe, expect, it } from 'vitest'
import { type TemplateName, type TemplateParams, wordMessage } from './templates.ts'

const samples: { [Name in TemplateName]: TemplateParams[Name] } = {
  'login-code': { code: '123456', minutes: 5 },
  'destruction-code': { code: '123456', minutes: 5 },
  'export-code': { code: '123456', minutes: 5 },
  'sign-code': { code: '123456', minutes: 5, taskTitle: '合同' },
  'sign-invitation': { taskTitle: '合同', initiatorName: '甲方', link: 'https://x.test/s/1' },
  urge: { taskTitle: '合同', initiatorName: '甲方', link: 'https://x.test/s/1', deadline: '2026-12-01' },
  'task-finished': { taskTitle: '合同', link: 'https://x.test/t/1' },
  'task-rejected': { taskTitle: '合同', actorName: '乙方', reason: '金额有误' },
  'task-canceled': { taskTitle: '合同', initiatorName: '甲方', reason: '重签' },
  'task-expired': { taskTitle: '合同', link: 'https://x.test/t/1' },
  'sign-failed': { taskTitle: '合同', actorName: '甲方', reason: 'seal_disabled' },
  'export-ready': { link: 'https://x.test/exports', bucket: 'ours' },
  'operator-alert': { title: 'P1', detail: 'd', link: 'https://x.test/a/1' },
  'destruction-notice': {
    taskTitle: '合同',
    initiatorName: '甲方',
    date: '2026-12-01',
    link: 'https://x.test/t/1',
  },
}

describe('messages', () => {
  it.each(Object.keys(samples) as TemplateName[])('%s is worded whole in both languages', (template) => {
    for (const lang of ['zh', 'en'] as const) {
      const { subject, body, code, link } = wordMessage('sms', lang, template, samples[template])
      expect(subject).not.toBe('')
      expect(body.startsWith(lang === 'zh' ? '【印信】' : '[Yinxin] ')).toBe(true)
      expect(body).not.toMatch(/undefined|null|NaN/)
      for (const [name, value] of Object.entries(samples[template]))
        expect(body, name).toContain(String(value))
      expect(code).toBe('code' in samples[template] ? '123456' : null)
      if (link !== null) expect(body).toContain(link)
      if (lang === 'zh') expect(body).toMatch(/[\u4e00-\u9fff]/)
      expect(body).toMatch(/[。.1]$/)
    }
  })

  it('a mail carries no sender mark in its text', () => {
    expect(wordMessage('mail', 'zh', 'login-code', samples['login-code']).body).not.toContain('【')
  })
})
