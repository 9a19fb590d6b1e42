import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  appendEvent,
  type ChainHead,
  commit,
  discloseEvent,
  type EvidenceEvent,
  eventHash,
  parseEvent,
  verifyChain,
  verifyDisclosure,
} from './event-chain.ts'

const T0 = Date.UTC(2025, 0, 31, 8, 0, 0)

function chainOf(count: number): EvidenceEvent[] {
  const events: EvidenceEvent[] = []
  let head: ChainHead | null = null
  for (let i = 0; i < count; i++) {
    const appended = appendEvent(head, {
      taskId: 't-1',
      type: i === 0 ? 'task.created' : 'document.viewed',
      at: new Date(T0 + 1000 * i),
      actor: { kind: 'person', id: 'u1' },
      data: { n: i },
    })
    events.push(appended.event)
    head = appended.head
  }
  return events
}

describe('event chain', () => {
  it('links each event to the hash of the one before', () => {
    const events = chainOf(5)
    expect(verifyChain(events)).toEqual([])
    expect(events[0]?.prevHash).toBe('0'.repeat(64))
    expect(events[3]?.prevHash).toBe(eventHash(events[2] as EvidenceEvent))
  })

  it('has a fixed form, so that other implementations agree', () => {
    const { bytes, hash } = appendEvent(null, {
      taskId: 't-1',
      type: 'task.created',
      at: new Date(T0),
      actor: { kind: 'corp', id: 'c1' },
      data: { title: '合同' },
    })
    expect(new TextDecoder().decode(bytes)).toBe(
      `{"actor":{"id":"c1","kind":"corp"},"at":"2025-01-31T08:00:00.000Z","data":{"title":"合同"},"prevHash":"${'0'.repeat(64)}","seq":0,"taskId":"t-1","type":"task.created","v":1}`,
    )
    expect(hash).toBe('f4950e98f73777841c3ec7560e2737ad731318018d4d1035c5b79d5cd24f305f')
    expect(eventHash(parseEvent(bytes))).toBe(hash)
  })

  it('finds any change, loss, repetition or exchange of events', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 8 }),
        fc.nat(),
        fc.integer({ min: 0, max: 4 }),
        (count, pick, kind) => {
          const events = chainOf(count)
          // The last event is bound by the log's proof, not by the chain: only inner links are judged here.
          const at = pick % (count - 1)
          const event = events[at] as EvidenceEvent
          if (kind === 0) events[at] = { ...event, data: { n: 99 } }
          if (kind === 1) events.splice(at, 1)
          if (kind === 2) events.splice(at, 0, event)
          if (kind === 3) [events[at], events[at + 1]] = [events[at + 1] as EvidenceEvent, event]
          if (kind === 4) events[at] = { ...event, extra: 1 } as unknown as EvidenceEvent
          expect(verifyChain(events)).not.toEqual([])
        },
      ),
    )
  })

  it('dates an event not before its predecessor when the clock was set back', () => {
    const [first] = chainOf(1) as [EvidenceEvent]
    const head = { taskId: 't-1', seq: 0, hash: eventHash(first), at: first.at }
    const fields = {
      taskId: 't-1',
      type: 'task.sent',
      at: new Date(T0 - 5000),
      actor: { kind: 'platform' },
      data: {},
    }
    const { event } = appendEvent(head, fields)
    expect(event.at).toBe(first.at)
    expect(verifyChain([first, event])).toEqual([])
    const backwards = { ...event, at: '2025-01-31T07:59:59.000Z' }
    expect(verifyChain([first, backwards])).toEqual([{ index: 1, code: 'time_reversed' }])
  })

  it('refuses fields that do not fit', () => {
    const good = { taskId: 't-1', type: 'task.sent', at: new Date(T0), actor: { kind: 'platform' }, data: {} }
    const head = { taskId: 't-2', seq: 0, hash: '0'.repeat(64), at: new Date(T0).toISOString() }
    for (const bad of [
      { taskId: '' },
      { taskId: 'a b' },
      { type: 'sent' },
      { actor: { kind: '' } },
      { data: { big: 'x'.repeat(70000) } },
    ]) {
      expect(() => appendEvent(null, { ...good, ...bad })).toThrow(
        expect.objectContaining({ code: 'bad_event' }),
      )
    }
    expect(() => appendEvent(head, good)).toThrow(expect.objectContaining({ code: 'bad_event' }))
  })
})

describe('commitments', () => {
  const salt = new Uint8Array(16).fill(7)
  const { event } = appendEvent(null, {
    taskId: 't-1',
    type: 'actor.identified',
    at: new Date(T0),
    actor: { kind: 'person', nameCommit: commit(salt, '张三') },
    data: { list: [{ 'a/bCommit': commit(salt, 'x') }] },
  })
  const open = { seq: 0, path: '/actor/nameCommit', salt: '07'.repeat(16), value: '张三' }

  it('open with salt and value only', () => {
    expect(commit(salt, '张三')).toBe('c7a9724f173a58d0e8119b2b7c2025f8453aefc19257cd5132ffe7ee6b65b217')
    expect(verifyDisclosure(event, open)).toBe(true)
    expect(verifyDisclosure(event, { ...open, path: '/data/list/0/a~1bCommit', value: 'x' })).toBe(true)
    for (const bad of [
      { value: '李四' },
      { salt: '08'.repeat(16) },
      { salt: '07' },
      { seq: 1 },
      { path: '/actor/kind' },
      { path: '/actor' },
      { path: 'x' },
    ]) {
      expect(verifyDisclosure(event, { ...open, ...bad })).toBe(false)
    }
    expect(() => commit(new Uint8Array(8), 'x')).toThrow(expect.objectContaining({ code: 'bad_event' }))
  })

  it('add the plain value beside the commitment', () => {
    const seen = discloseEvent(event, [open, { ...open, path: '/data/list/0/a~1bCommit', value: 'x' }])
    expect(seen.actor).toEqual({ ...event.actor, name: '张三' })
    expect(seen.data).toEqual({ list: [{ 'a/bCommit': commit(salt, 'x'), 'a/b': 'x' }] })
    expect(event.actor).not.toHaveProperty('name')
  })
})
