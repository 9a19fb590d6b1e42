import { describe, expect, it } from 'vitest'
import { nextRef, openPoints, type TaskDraft, toTaskInput } from './draft.ts'

const draft: TaskDraft = {
  title: ' 房屋租赁合同 ',
  files: [
    {
      ref: 'doc1',
      fileId: 'f1',
      name: '租赁.pdf',
      sizeBytes: 9,
      pages: [{ widthPt: 595, heightPt: 842 }],
      signatureCount: 0,
    },
  ],
  parties: [
    {
      ref: 'p1',
      kind: 'corp',
      role: 'sign',
      name: '甲公司',
      contact: '',
      subjectId: 's1',
      freeSign: { businessId: 'b1', sealId: 'seal1' },
    },
    {
      ref: 'p2',
      kind: 'person',
      role: 'sign',
      name: ' 李雷 ',
      contact: '138 0013 8000',
      subjectId: null,
      freeSign: null,
    },
  ],
  fields: [
    {
      id: 'a',
      documentRef: 'doc1',
      partyRef: 'p2',
      kind: 'signature',
      page: 1,
      x: 10.123456,
      y: 20,
      width: 120,
      height: 48,
    },
  ],
  ordered: true,
  deadline: '2026-12-01',
  key: 'k',
}

describe('a task draft', () => {
  it('becomes the input of the API with clean names, contacts and order', () => {
    const input = toTaskInput(draft)
    expect(input.title).toBe('房屋租赁合同')
    expect(input.actors).toEqual([
      {
        ref: 'p1',
        kind: 'corp',
        role: 'sign',
        name: '甲公司',
        subjectId: 's1',
        freeSignBusinessId: 'b1',
        sealId: 'seal1',
        order: 1,
      },
      { ref: 'p2', kind: 'person', role: 'sign', name: '李雷', mobile: '13800138000', order: 2 },
    ])
    expect(input.fields[0]?.position).toEqual({ page: 1, x: 10.12, y: 20, width: 120, height: 48 })
    expect(new Date(input.deadline ?? '').getTime()).toBe(new Date('2026-12-01T23:59:59').getTime())
  })

  it('lets all sign at once when the order does not bind', () => {
    expect(toTaskInput({ ...draft, ordered: false }).actors.map((actor) => actor.order)).toEqual([1, 1])
  })

  it('needs a contact from everyone who signs with a code, and none from who does not', () => {
    expect(openPoints(draft, 'parties')).toEqual([])
    const silent = draft.parties.map((party) => ({ ...party, contact: '' }))
    expect(openPoints({ ...draft, parties: silent }, 'parties')).toEqual(['party-wrong'])
    expect(
      openPoints({ ...draft, parties: draft.parties.map((party) => ({ ...party, role: 'cc' })) }, 'parties'),
    ).toEqual(['parties'])
  })

  it('never gives one reference twice', () => {
    expect(nextRef('p', [{ ref: 'p2' }])).toBe('p3')
    expect(nextRef('p', [])).toBe('p1')
  })
})
