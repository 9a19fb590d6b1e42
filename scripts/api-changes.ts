/**
 * What changed in the API since it was released, and whether users were told (SLA 3.7).
 *
 *     node scripts/api-changes.ts http://127.0.0.1:8420            lists the changes, and which announcement names them
 *     node scripts/api-changes.ts http://127.0.0.1:8420 --release  makes what the server has now the released API
 *
 * `testing/api-changes.test.ts` fails on a change that no file in `announcements/` names.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'

const ROOT = join(import.meta.dirname, '..')
export const releasedPath = join(ROOT, 'docs/reference/openapi.released.json')
const announcementsFolder = join(ROOT, 'announcements')

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
type JsonObject = { [key: string]: Json }

export interface ApiChange {
  /** Where and what, such as `POST /api/v1/files: request/name is required now`; announcements name it. */
  id: string
  /** A program that was written for the released API may fail. */
  isBreaking: boolean
}

/** Whether a schema tells what is sent to the server or what comes from it: the same change is harmless on one side only. */
type Side = 'request' | 'answer'

const object = (value: Json | undefined): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
const array = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : [])
const same = (one: Json | undefined, other: Json | undefined) =>
  JSON.stringify(sorted(one)) === JSON.stringify(sorted(other))

function sorted(value: Json | undefined): Json {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value ?? null
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  )
}

const methods = ['get', 'put', 'post', 'delete', 'patch', 'head', 'options']

/** Every change from one OpenAPI 3.1 document to another, descriptions and examples aside. */
export function apiChanges(before: JsonObject, after: JsonObject): ApiChange[] {
  const changes: ApiChange[] = []
  const told = operationsOf(before)
  const now = operationsOf(after)
  for (const name of told.keys())
    if (!now.has(name)) changes.push({ id: `${name} is gone`, isBreaking: true })
  for (const [name, operation] of now) {
    const was = told.get(name)
    if (was === undefined) changes.push({ id: `${name} is new`, isBreaking: false })
    else compareOperations(name, was, operation, { before, after }, changes)
  }
  return changes.sort((a, b) => (a.id < b.id ? -1 : 1))
}

function operationsOf(document: JsonObject): Map<string, JsonObject> {
  const found = new Map<string, JsonObject>()
  for (const [path, item] of Object.entries(object(document.paths)))
    for (const method of methods)
      if (method in object(item)) found.set(`${method.toUpperCase()} ${path}`, object(object(item)[method]))
  return found
}

interface Documents {
  before: JsonObject
  after: JsonObject
}

function compareOperations(
  name: string,
  was: JsonObject,
  is: JsonObject,
  documents: Documents,
  changes: ApiChange[],
): void {
  const say = (what: string, isBreaking: boolean) => changes.push({ id: `${name}: ${what}`, isBreaking })
  if (!same(was.security, is.security)) say('who may call it changed', true)
  // 1. Parameters, by place and name.
  const parameters = (operation: JsonObject) =>
    new Map(
      array(operation.parameters).map(
        (one) => [`${object(one).in}/${object(one).name}`, object(one)] as const,
      ),
    )
  const [told, now] = [parameters(was), parameters(is)]
  for (const key of told.keys()) if (!now.has(key)) say(`parameter ${key} is gone`, true)
  for (const [key, parameter] of now) {
    const previous = told.get(key)
    const isRequired = parameter.required === true
    if (previous === undefined) say(`parameter ${key} is new${isRequired ? ' and required' : ''}`, isRequired)
    else {
      if (isRequired && previous.required !== true) say(`parameter ${key} is required now`, true)
      if (!isRequired && previous.required === true) say(`parameter ${key} is optional now`, false)
      compareSchemas(`parameter ${key}`, previous.schema, parameter.schema, 'request', documents, say)
    }
  }
  // 2. What is sent.
  const [body, nextBody] = [object(was.requestBody), object(is.requestBody)]
  if (nextBody.required === true && body.required !== true) say('request is required now', true)
  compareContents('request', body.content, nextBody.content, 'request', documents, say)
  // 3. What comes back.
  const [answers, nextAnswers] = [object(was.responses), object(is.responses)]
  for (const status of Object.keys(answers))
    if (!(status in nextAnswers)) say(`answer ${status} is gone`, true)
  for (const [status, answer] of Object.entries(nextAnswers)) {
    if (!(status in answers)) say(`answer ${status} is new`, false)
    else
      compareContents(
        `answer ${status}`,
        object(answers[status]).content,
        object(answer).content,
        'answer',
        documents,
        say,
      )
  }
}

type Say = (what: string, isBreaking: boolean) => void

function compareContents(
  place: string,
  was: Json | undefined,
  is: Json | undefined,
  side: Side,
  documents: Documents,
  say: Say,
): void {
  const [told, now] = [object(was), object(is)]
  for (const type of Object.keys(told)) if (!(type in now)) say(`${place} as ${type} is gone`, true)
  for (const [type, content] of Object.entries(now)) {
    if (!(type in told)) say(`${place} as ${type} is new`, false)
    else compareSchemas(place, object(told[type]).schema, object(content).schema, side, documents, say)
  }
}

/** What limits a value; another limit may refuse what was accepted, or answer what was not expected. */
const limits = [
  'type',
  'const',
  'format',
  'pattern',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'multipleOf',
  'additionalProperties',
  'propertyNames',
] as const
const lowest = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems']
const highest = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems']

function compareSchemas(
  place: string,
  was: Json | undefined,
  is: Json | undefined,
  side: Side,
  documents: Documents,
  say: Say,
): void {
  const [told, now] = [resolved(was, documents.before), resolved(is, documents.after)]
  // A schema that contains itself is followed no deeper than paths of people's making go.
  if (same(told, now) || place.split('/').length > 24) return
  for (const limit of limits) {
    if (same(told[limit], now[limit])) continue
    const widens = isWider(limit, told[limit], now[limit])
    say(`${place} has another ${limit}`, widens === undefined || (side === 'request' ? !widens : widens))
  }
  const [values, nextValues] = [array(told.enum), array(now.enum)]
  if ('enum' in told !== 'enum' in now) say(`${place} has another enum`, true)
  else {
    for (const value of values)
      if (!nextValues.some((one) => same(one, value)))
        say(`${place} is never ${value} now`, side === 'request')
    for (const value of nextValues)
      if (!values.some((one) => same(one, value))) say(`${place} may be ${value} now`, side === 'answer')
  }
  const [properties, nextProperties] = [object(told.properties), object(now.properties)]
  const [required, nextRequired] = [array(told.required), array(now.required)]
  for (const key of Object.keys(properties))
    if (!(key in nextProperties)) say(`${place}/${key} is gone`, true)
  for (const [key, property] of Object.entries(nextProperties)) {
    const must = nextRequired.includes(key)
    if (!(key in properties)) {
      say(
        `${place}/${key} is new${must && side === 'request' ? ' and required' : ''}`,
        must && side === 'request',
      )
      continue
    }
    if (must && !required.includes(key))
      say(`${place}/${key} is ${side === 'request' ? 'required' : 'always there'} now`, side === 'request')
    if (!must && required.includes(key))
      say(`${place}/${key} is ${side === 'request' ? 'optional' : 'not always there'} now`, side === 'answer')
    compareSchemas(`${place}/${key}`, properties[key], property, side, documents, say)
  }
  if ('items' in told && 'items' in now)
    compareSchemas(`${place}/[]`, told.items, now.items, side, documents, say)
  for (const kind of ['anyOf', 'oneOf', 'allOf', 'prefixItems'] as const) {
    const [choices, nextChoices] = [array(told[kind]), array(now[kind])]
    for (let index = 0; index < Math.max(choices.length, nextChoices.length); index += 1) {
      const choice = `${place}/${kind} ${index + 1}`
      if (index >= choices.length) say(`${choice} is new`, side === 'answer' || kind === 'allOf')
      else if (index >= nextChoices.length) say(`${choice} is gone`, side === 'request')
      else compareSchemas(choice, choices[index], nextChoices[index], side, documents, say)
    }
  }
}

/** Whether a limit admits more than before; undefined when that cannot be said. */
function isWider(limit: string, was: Json | undefined, is: Json | undefined): boolean | undefined {
  if (is === undefined && limit !== 'type') return true
  if (typeof was !== 'number' || typeof is !== 'number') return undefined
  if (lowest.includes(limit)) return is < was
  return highest.includes(limit) ? is > was : undefined
}

function resolved(schema: Json | undefined, document: JsonObject): JsonObject {
  let found = object(schema)
  for (let steps = 0; typeof found.$ref === 'string' && steps < 20; steps += 1)
    found = found.$ref
      .replace(/^#\//, '')
      .split('/')
      .reduce<JsonObject>(
        (at, part) => object(at[part.replaceAll('~1', '/').replaceAll('~0', '~')]),
        document,
      )
  return found
}

/** What stays in the repository of a document: neither where it was served nor how it is put in words. */
export function bare(document: Json): Json {
  if (Array.isArray(document)) return document.map(bare)
  if (typeof document !== 'object' || document === null) return document
  const kept = Object.entries(document).filter(
    ([key, value]) =>
      !(['description', 'summary', 'example', 'title'].includes(key) && typeof value === 'string') &&
      key !== 'servers',
  )
  return Object.fromEntries(kept.map(([key, value]) => [key, bare(value)]))
}

const words = z.strictObject({ zh: z.string().min(1), en: z.string().min(1) })
const day = z.iso.date()
const announcementShape = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]*$/),
  publishedOn: day,
  effectiveOn: day,
  title: words,
  text: words,
  /** Ids of the changes of the API that it tells of. */
  changes: z.array(z.string()),
})
export type Announcement = z.infer<typeof announcementShape>

/** A change that breaks programs is told so many days before. */
export const noticeDays = 30

/**
 * The announcements that ship with this version, the newest first.
 * @throws Error that names the file when one has another shape, or breaks programs without notice
 */
export function readAnnouncements(folder = announcementsFolder): Announcement[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .map((file) => {
      const parsed = announcementShape.safeParse(JSON.parse(readFileSync(join(folder, file), 'utf8')))
      if (!parsed.success) throw new Error(`announcements/${file}: ${z.prettifyError(parsed.error)}`)
      if (`${parsed.data.id}.json` !== file)
        throw new Error(`announcements/${file} has the id ${parsed.data.id}`)
      return parsed.data
    })
    .sort((a, b) =>
      a.publishedOn === b.publishedOn ? (a.id < b.id ? -1 : 1) : a.publishedOn < b.publishedOn ? 1 : -1,
    )
}

/** Changes that nobody was told of, or not early enough; each as a sentence. */
export function untold(changes: readonly ApiChange[], announcements: readonly Announcement[]): string[] {
  return changes.flatMap(({ id, isBreaking }) => {
    const told = announcements.filter(({ changes }) => changes.includes(id))
    if (told.length === 0) return [`${id}${isBreaking ? ' (breaks programs)' : ''}`]
    if (!isBreaking) return []
    const early = told.some(
      ({ publishedOn, effectiveOn }) =>
        Date.parse(effectiveOn) - Date.parse(publishedOn) >= noticeDays * 86_400_000,
    )
    return early ? [] : [`${id}: announced less than ${noticeDays} days before it takes effect`]
  })
}

/** The API as it was released. */
export const readReleased = (): JsonObject => JSON.parse(readFileSync(releasedPath, 'utf8')) as JsonObject

async function main([url, flag]: string[]): Promise<number> {
  if (url === undefined || (flag !== undefined && flag !== '--release')) {
    process.stderr.write('usage: node scripts/api-changes.ts URL [--release]\n')
    return 2
  }
  const response = await fetch(new URL('/api/v1/openapi.json', url))
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}`)
  const document = bare((await response.json()) as Json) as JsonObject
  if (flag === '--release') {
    writeFileSync(releasedPath, `${JSON.stringify(sorted(document), null, 1)}\n`)
    return 0
  }
  const changes = apiChanges(readReleased(), document)
  for (const { id, isBreaking } of changes)
    process.stdout.write(`${isBreaking ? 'breaking ' : '         '}${id}\n`)
  const open = untold(changes, readAnnouncements())
  process.stdout.write(`${changes.length} changes, ${open.length} not announced\n`)
  return open.length === 0 ? 0 : 1
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  process.exitCode = await main(process.argv.slice(2))
