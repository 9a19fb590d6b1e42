import { expect, it } from 'vitest'
import { readContact } from './contact.ts'

it('reads a typed contact as mobile or mail, or as neither', () => {
  expect(readContact(' 138 0013 8000')).toEqual({ mobile: '13800138000' })
  expect(readContact('+49 151-23456789')).toEqual({ mobile: '+4915123456789' })
  expect(readContact('Li.Lei@Example.com')).toEqual({ email: 'li.lei@example.com' })
  for (const wrong of ['', '12345', '1380013800', 'a@b', '@b.cn', 'a b@c.cn'])
    expect(readContact(wrong), wrong).toBeNull()
})
