import { describe, expect, it } from 'vitest'
import { changeOf, flawOf, type PasswordDraft } from './password-change.ts'

const draft = (over: Partial<PasswordDraft> = {}): PasswordDraft => ({
  way: 'code',
  code: '123456',
  oldPassword: '',
  password: '一个新的密码 1',
  again: '一个新的密码 1',
  ...over,
})

describe('a new password', () => {
  it('is sent with the proof that was chosen, and never with both', () => {
    expect(flawOf(draft())).toBeNull()
    expect(changeOf(draft({ oldPassword: 'typed before' }))).toEqual({
      password: '一个新的密码 1',
      code: '123456',
    })
    expect(changeOf(draft({ way: 'old', oldPassword: 'old one' }))).toEqual({
      password: '一个新的密码 1',
      oldPassword: 'old one',
    })
  })

  it.each<[string, Partial<PasswordDraft>]>([
    ['short', { password: '1234567', again: '1234567' }],
    ['different', { again: '一个新的密码 2' }],
    ['proof-missing', { code: '12345' }],
    ['proof-missing', { way: 'old' }],
  ])('waits: %s', (flaw, over) => {
    expect(flawOf(draft(over))).toBe(flaw)
  })

  it('counts characters and not their halves', () => {
    const faces = '😀'.repeat(4)
    expect(flawOf(draft({ password: faces, again: faces }))).toBe('short')
  })
})
