import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { apiChanges, bare, readAnnouncements, untold } from './api-changes.ts'

type Schema = Parameters<typeof apiChanges>[0]
const api = (operation: Schema, path = '/api/v1/files', method = 'post'): Schema => ({
  paths: { [path]: { [method]: operation } },
})
const takes = (schema: Schema): Schema =>
  api({ requestBody: { content: { 'application/json': { schema } } } })
const gives = (schema: Schema): Schema =>
  api({ responses: { '200': { content: { 'application/json': { schema } } } } })
const thing = (properties: Schema, required: string[] = []): Schema => ({
  type: 'object',
  properties,
  required,
})
const text = { type: 'string' }

describe('changes of an API', () => {
  it('are none between a document and itself, nor where only words changed', () => {
    const one = takes(thing({ name: { type: 'string', description: 'a name' } }))
    expect(apiChanges(one, structuredClone(one))).toEqual([])
    const other = takes(thing({ name: { type: 'string', description: 'another' } }))
    expect(apiChanges(bare(one) as Schema, bare(other) as Schema)).toEqual([])
  })

  it('keep a field that is called description or title', () => {
    const one = takes(thing({ title: text, description: text }))
    expect(apiChanges(bare(one) as Schema, bare(takes(thing({ title: text }))) as Schema)).toEqual([
      { id: 'POST /api/v1/files: request/description is gone', isBreaking: true },
    ])
  })

  const name = 'POST /api/v1/files'
  it.each([
    [
      'a route that is gone',
      api({}),
      api({}, '/api/v1/other'),
      [`${name} is gone!`, 'POST /api/v1/other is new'],
    ],
    [
      'a route for others',
      api({ security: [{}] }),
      api({ security: [{ app: [] }] }),
      [`${name}: who may call it changed!`],
    ],
    ['a new field to send', takes(thing({})), takes(thing({ a: text })), [`${name}: request/a is new`]],
    [
      'a new field to send that must be',
      takes(thing({})),
      takes(thing({ a: text }, ['a'])),
      [`${name}: request/a is new and required!`],
    ],
    [
      'a field that must be sent',
      takes(thing({ a: text })),
      takes(thing({ a: text }, ['a'])),
      [`${name}: request/a is required now!`],
    ],
    [
      'a field that may be left out',
      takes(thing({ a: text }, ['a'])),
      takes(thing({ a: text })),
      [`${name}: request/a is optional now`],
    ],
    [
      'a field that is not always answered',
      gives(thing({ a: text }, ['a'])),
      gives(thing({ a: text })),
      [`${name}: answer 200/a is not always there now!`],
    ],
    [
      'a new answered field',
      gives(thing({})),
      gives(thing({ a: text }, ['a'])),
      [`${name}: answer 200/a is new`],
    ],
    [
      'an answered field that is gone',
      gives(thing({ a: text })),
      gives(thing({})),
      [`${name}: answer 200/a is gone!`],
    ],
    [
      'another type deep within',
      gives(thing({ a: { type: 'array', items: text } })),
      gives(thing({ a: { type: 'array', items: { type: 'number' } } })),
      [`${name}: answer 200/a/[] has another type!`],
    ],
    [
      'a value that is no more accepted',
      takes({ enum: ['x', 'y'] }),
      takes({ enum: ['x'] }),
      [`${name}: request is never y now!`],
    ],
    [
      'a value that is accepted too',
      takes({ enum: ['x'] }),
      takes({ enum: ['x', 'y'] }),
      [`${name}: request may be y now`],
    ],
    [
      'a value that programs do not know',
      gives({ enum: ['x'] }),
      gives({ enum: ['x', 'y'] }),
      [`${name}: answer 200 may be y now!`],
    ],
    [
      'a tighter limit',
      takes({ type: 'string', maxLength: 9 }),
      takes({ type: 'string', maxLength: 8 }),
      [`${name}: request has another maxLength!`],
    ],
    [
      'a wider limit',
      takes({ type: 'string', maxLength: 8 }),
      takes({ type: 'string', maxLength: 9 }),
      [`${name}: request has another maxLength`],
    ],
    [
      'another pattern',
      takes({ type: 'string', pattern: 'a' }),
      takes({ type: 'string', pattern: 'b' }),
      [`${name}: request has another pattern!`],
    ],
    [
      'one more choice to send',
      takes({ anyOf: [text] }),
      takes({ anyOf: [text, { type: 'null' }] }),
      [`${name}: request/anyOf 2 is new`],
    ],
    [
      'one more choice in an answer',
      gives({ anyOf: [text] }),
      gives({ anyOf: [text, { type: 'null' }] }),
      [`${name}: answer 200/anyOf 2 is new!`],
    ],
    [
      'a parameter',
      api({ parameters: [] }),
      api({ parameters: [{ in: 'query', name: 'q', required: true }] }),
      [`${name}: parameter query/q is new and required!`],
    ],
    [
      'a status that is gone',
      api({ responses: { '200': {}, '201': {} } }),
      api({ responses: { '200': {} } }),
      [`${name}: answer 201 is gone!`],
    ],
  ])('are found: %s', (_, before, after, expected) => {
    expect(
      apiChanges(before as Schema, after as Schema).map(
        ({ id, isBreaking }) => `${id}${isBreaking ? '!' : ''}`,
      ),
    ).toEqual(expected)
  })

  it('are followed through references, and through schemas that contain themselves', () => {
    const schemas = (kind: Schema): Schema => ({
      components: { schemas: { Node: thing({ next: { $ref: '#/components/schemas/Node' }, kind }) } },
    })
    const of = (kind: Schema) => ({ ...gives({ $ref: '#/components/schemas/Node' }), ...schemas(kind) })
    const found = apiChanges(of(text), of({ type: 'number' }))
    expect(found[0]).toEqual({ id: `${name}: answer 200/kind has another type`, isBreaking: true })
  })
})

describe('announcements', () => {
  const one = {
    id: 'one',
    publishedOn: '2026-11-01',
    effectiveOn: '2026-12-01',
    title: { zh: '一', en: 'one' },
    text: { zh: '一', en: 'one' },
    changes: ['a', 'b'],
  }
  it('tell of changes by name, of those that break programs thirty days before', () => {
    const changes = [
      { id: 'a', isBreaking: true },
      { id: 'b', isBreaking: false },
      { id: 'c', isBreaking: false },
      { id: 'd', isBreaking: true },
    ]
    expect(untold(changes, [one])).toEqual(['c', 'd (breaks programs)'])
    expect(untold(changes.slice(0, 2), [{ ...one, effectiveOn: '2026-11-30' }])).toEqual([
      'a: announced less than 30 days before it takes effect',
    ])
  })

  it('are refused with the name of the file when something is missing', () => {
    const folder = mkdtempSync(join(tmpdir(), 'yinxin-announcements-'))
    writeFileSync(join(folder, 'one.json'), JSON.stringify(one))
    expect(readAnnouncements(folder)).toEqual([one])
    writeFileSync(join(folder, 'two.json'), JSON.stringify(one))
    expect(() => readAnnouncements(folder)).toThrow('announcements/two.json has the id one')
    writeFileSync(join(folder, 'two.json'), JSON.stringify({ ...one, id: 'two', text: { zh: '二' } }))
    expect(() => readAnnouncements(folder)).toThrow(/two\.json.*en/s)
    rmSync(folder, { recursive: true })
  })

  it('that ship with this version can be read', () => {
    expect(() => readAnnouncements()).not.toThrow()
  })
})
