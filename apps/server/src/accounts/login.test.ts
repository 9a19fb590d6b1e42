import { describe, expect, it } from 'vitest'
import { maskEmail, maskMobile, maskName, parseLogin, readLogin } from './login.ts'

describe('logins', () => {
  it.each([
    ['13800000000', '13800000000'],
    ['+86 138-0000-0000', '13800000000'],
    ['8613800000000', '13800000000'],
    ['１３８００００００００', '13800000000'],
    ['+4915112345678', '+4915112345678'],
  ])('reads %s as the mobile number %s', (text, value) => {
    expect(parseLogin(text)).toEqual({ kind: 'mobile', value, channel: 'sms' })
  })

  it('reads mail addresses in one form', () => {
    expect(parseLogin(' Li.Na@Example.COM ')).toEqual({
      kind: 'email',
      value: 'li.na@example.com',
      channel: 'mail',
    })
  })

  it.each(['', 'hello', '12345', '10800000000', '+8612345', 'a@b@c', 'a b@c.cn', '<x>@y.cn', 'x@', '@y.cn'])(
    'refuses %j',
    (text) => {
      expect(readLogin(text)).toBeNull()
      expect(() => parseLogin(text)).toThrow('login_invalid')
    },
  )

  it.each(['a\u0000b@x.cn', 'li\u200bna@x.cn', '\u202eanil@x.cn', 'a\u0007@x.cn'])(
    'refuses %j, which would look like another address or break a mail header',
    (text) => {
      expect(readLogin(text)).toBeNull()
    },
  )

  it('masks what others may see', () => {
    expect(maskMobile('13812340000')).toBe('138****0000')
    expect(maskMobile('+4915112345678')).toBe('+491******5678')
    expect(maskEmail('lina@example.com')).toBe('l***@example.com')
    expect(maskName('张三')).toBe('张*')
    expect(maskName('欧阳娜娜')).toBe('欧***')
  })
})
