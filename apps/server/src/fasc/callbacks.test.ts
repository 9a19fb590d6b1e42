import { describe, expect, it } from 'vitest'
import type { Task } from '#src/sign-tasks/sign-tasks.ts'
import { eventsOf } from './callbacks.ts'

const at = new Date(1_757_570_000_000)
const task = {
  row: {
    id: '01a20d73-8858-71b2-9158-4084f3c8a91b',
    reference: 'order-1',
    initiator_name: '示例科技有限公司',
    status: 'finished',
  },
  actors: [
    { id: 'a', ref: '甲方', name: '示例科技有限公司', free_sign_business_id: 'scene' },
    { id: 'b', ref: '乙方', name: '张三', free_sign_business_id: null },
  ],
} as unknown as Task

const events = (type: string, payload: Record<string, unknown> = {}) => eventsOf({ type, at, payload }, task)
const base = {
  eventTime: '1757570000000',
  signTaskId: '01a20d73885871b291584084f3c8a91b',
  transReferenceId: 'order-1',
}

describe('events of the protocol', () => {
  it('carry the state after the fact, not the present one', () => {
    expect(events('sign-task.started')).toEqual([
      { event: 'sign-task-start', payload: { ...base, signTaskStatus: 'sign_progress' } },
    ])
    expect(events('sign-task.finished')).toEqual([
      { event: 'sign-task-finished', payload: { ...base, signTaskStatus: 'task_finished' } },
    ])
    expect(events('sign-task.expired')).toEqual([
      { event: 'sign-task-expire', payload: { ...base, signTaskStatus: 'expired' } },
    ])
  })

  it('name the actor as the client does', () => {
    expect(
      events('sign-task.viewed', { actorId: 'b' }).map((one) => [one.event, one.payload.actorId]),
    ).toEqual([
      ['sign-task-joined', '乙方'],
      ['sign-task-read', '乙方'],
    ])
    expect(events('sign-task.actor-rejected', { actorId: 'b', reason: '金额不符' })).toMatchObject([
      {
        event: 'sign-task-sign-rejected',
        payload: {
          signTaskStatus: 'task_terminated',
          actorId: '乙方',
          userName: '张三',
          signRejectReason: '金额不符',
          signFailedReason: '金额不符',
        },
      },
    ])
    expect(events('sign-task.sign-failed', { actorId: 'a', reason: '印章已停用' })).toMatchObject([
      {
        event: 'sign-task-sign-failed',
        payload: { actorId: '甲方', verifyFreeSign: true, signFailedReason: '印章已停用' },
      },
    ])
    expect(events('sign-task.canceled', { reason: '条款有误' })).toMatchObject([
      {
        event: 'sign-task-canceled',
        payload: { userName: '示例科技有限公司', terminationNote: '条款有误' },
      },
    ])
  })

  it('are none for what the protocol has no word for', () => {
    expect(events('sign-task.urged')).toEqual([])
  })
})
