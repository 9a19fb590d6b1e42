import { describe, expect, it } from 'vitest'
import { nextStep, standingOf, type Visitor } from './standing.ts'

const verified = { verified: true, verifiedAt: null, method: 'm', provider: 'p', simulated: true }
const open = { ...verified, verified: false }

function visitor(over: Partial<Visitor['person']> = {}, memberships: Visitor['memberships'] = []): Visitor {
  return {
    person: { id: 'p1', name: '张三', mobile: '13800000000', email: null, identity: verified, ...over },
    memberships,
  }
}

const person = {
  kind: 'person',
  name: '张 三',
  subject_id: null,
  person_id: null,
  mobile: '13800000000',
  email: null,
} as const
const corp = { ...person, kind: 'corp', name: '示例（北京）有限公司', mobile: null } as const
const member = { corpId: 'c1', corpName: '示例(北京)有限公司', role: 'member', since: new Date(0) } as const

describe('who may act', () => {
  it('admits the proven owner of the contact with the right name, and nobody else', () => {
    expect(standingOf(person, visitor())).toEqual({ kind: 'admitted', subjectId: 'p1' })
    expect(standingOf(person, visitor({ identity: open }))).toEqual({ kind: 'prove-identity' })
    expect(standingOf(person, visitor({ name: '李四' }))).toEqual({ kind: 'wrong-person' })
    expect(standingOf(person, visitor({ mobile: '13900000000' }))).toEqual({ kind: 'wrong-person' })
    expect(standingOf({ ...person, subject_id: 'p2' }, visitor())).toEqual({ kind: 'wrong-person' })
    // A missing contact on both sides is no match.
    expect(standingOf({ ...person, mobile: null }, visitor({ mobile: null }))).toEqual({
      kind: 'wrong-person',
    })
  })

  it('admits a proven active member of the company by id or by name', () => {
    expect(standingOf(corp, visitor({}, [member]))).toEqual({ kind: 'admitted', subjectId: 'c1' })
    expect(standingOf({ ...corp, subject_id: 'c1' }, visitor({}, [member]))).toEqual({
      kind: 'admitted',
      subjectId: 'c1',
    })
    expect(standingOf({ ...corp, subject_id: 'c2' }, visitor({}, [member]))).toEqual({ kind: 'wrong-person' })
    expect(standingOf(corp, visitor())).toEqual({ kind: 'wrong-person' })
    expect(standingOf(corp, visitor({ identity: open }, [member]))).toEqual({ kind: 'prove-identity' })
  })

  it('names the next step', () => {
    expect(nextStep({ status: 'signing' }, { role: 'sign', status: 'ready' })).toBe('read-and-sign')
    expect(nextStep({ status: 'signing' }, { role: 'sign', status: 'waiting' })).toBe('wait')
    expect(nextStep({ status: 'signing' }, { role: 'cc', status: 'waiting' })).toBe('wait')
    expect(nextStep({ status: 'finished' }, { role: 'cc', status: 'notified' })).toBe('done')
    expect(nextStep({ status: 'signing' }, { role: 'sign', status: 'signed' })).toBe('done')
    expect(nextStep({ status: 'canceled' }, { role: 'sign', status: 'ready' })).toBe('closed')
    expect(nextStep({ status: 'rejected' }, { role: 'sign', status: 'rejected' })).toBe('rejected')
  })
})
