/** Reads the actors of a FASC client. What would weaken a wish by being left out is refused by name. */
import type { ActorInput } from '@yinxin/sdk/wire'
import { z } from 'zod'
import { type Accounts, readLogin } from '#src/accounts/accounts.ts'
import { refuse } from './errors.ts'
import { readOpenId } from './open-ids.ts'
import { flag, sealId, text, whole } from './shapes.ts'

const actor = z.object({
  actorId: z.string().trim().min(1).max(64),
  actorType: z.enum(['corp', 'person']),
  actorName: text(128),
  permissions: z.array(z.string().max(40)).min(1),
  actorOpenId: text(64),
  actorFDDId: text(64),
  actorCorpMembers: z.array(z.unknown()).nullish(),
  identNameForMatch: text(128),
  certType: text(40),
  certNoForMatch: text(50),
  accountName: text(254),
  notification: z
    .object({ sendNotification: flag.nullish(), notifyWay: text(40), notifyAddress: text(254) })
    .nullish(),
  notifyAddress: text(254),
})

export const signField = z.object({
  fieldDocId: z.union([z.string(), z.number()]).transform(String),
  fieldId: text(64),
  fieldName: text(128),
  sealId: sealId.nullish(),
})

export const signConfig = z.object({
  orderNo: whole(0, 999).nullish(),
  blockHere: flag.nullish(),
  requestVerifyFree: flag.nullish(),
  verifyMethods: z.array(z.string()).nullish(),
  requestMemberSign: flag.nullish(),
  readingToEnd: flag.nullish(),
  readingTime: text(20),
  actorAttachInfos: z.array(z.unknown()).nullish(),
  freeDragSealId: sealId.nullish(),
})

export const taskActor = z.object({
  actor,
  fillFields: z.array(z.unknown()).nullish(),
  signFields: z.array(signField).nullish(),
  signConfigInfo: signConfig.nullish(),
})
export type TaskActor = z.output<typeof taskActor>

export interface ActorsDeps {
  accounts: Pick<Accounts, 'corpByCreditCode' | 'corp' | 'idNumber' | 'person'>
  /** The platform's seal behind a number of the client. */
  sealOf(id: string): Promise<string>
}

/** One actor as the platform knows it; `index` is its place in the client's list. */
export async function readActor(
  { actor, ...given }: TaskActor,
  context: { index: number; ordered: boolean; businessId: string | undefined },
  deps: ActorsDeps,
): Promise<ActorInput> {
  const ref = actor.actorId
  refuseUnsupported(actor, given)
  const role = roleOf(ref, actor.permissions)
  if (role === 'cc' && (given.signFields?.length ?? 0) > 0) {
    throw wrong(ref, '抄送方不能有签署控件', 'who only gets a copy cannot have fields')
  }
  const subjectId = await subjectOf(actor, deps)
  const name = actor.identNameForMatch ?? actor.actorName ?? (await nameOf(actor.actorType, subjectId, deps))
  if (name === undefined) throw wrong(ref, '缺少 actorName', 'actorName is missing')
  const config = given.signConfigInfo
  const isFree = role === 'sign' && config?.requestVerifyFree === true
  if (isFree && context.businessId === undefined) throw refuse('fasc_scene_missing', { ref })
  const seal = await sealOf(ref, given, deps)
  return {
    ref,
    kind: actor.actorType,
    role,
    name,
    ...(subjectId === undefined ? {} : { subjectId }),
    ...contactOf(actor),
    // Clients count from 0 or 1; the platform from 1.
    ...(context.ordered ? { order: (config?.orderNo ?? context.index) + 1 } : {}),
    ...(seal === undefined ? {} : { sealId: seal }),
    ...(isFree && context.businessId !== undefined ? { freeSignBusinessId: context.businessId } : {}),
  }
}

function refuseUnsupported(actor: TaskActor['actor'], given: Omit<TaskActor, 'actor'>): void {
  const config = given.signConfigInfo
  const unsupported = {
    actorFDDId: actor.actorFDDId !== undefined,
    actorCorpMembers: (actor.actorCorpMembers?.length ?? 0) > 0,
    fillFields: (given.fillFields?.length ?? 0) > 0,
    blockHere: config?.blockHere === true,
    requestMemberSign: config?.requestMemberSign === true,
    readingToEnd: config?.readingToEnd === true,
    readingTime: config?.readingTime !== undefined,
    actorAttachInfos: (config?.actorAttachInfos?.length ?? 0) > 0,
    // The will is proven by a one-time code, over text message or mail.
    verifyMethods:
      (config?.verifyMethods?.length ?? 0) > 0 &&
      !config?.verifyMethods?.some((method) => method === 'sms' || method === 'email'),
  }
  for (const [name, isAsked] of Object.entries(unsupported)) {
    if (isAsked) throw refuse('fasc_unsupported', { name: `${actor.actorId}.${name}` })
  }
}

function roleOf(ref: string, permissions: readonly string[]): 'sign' | 'cc' {
  const known = ['sign', 'cc', 'fill']
  const strange = permissions.find((one) => !known.includes(one))
  if (strange !== undefined) throw refuse('fasc_unsupported', { name: `${ref}.permissions=${strange}` })
  // Without fields to fill, the permission to fill changes nothing for somebody who signs.
  if (permissions.includes('sign')) return 'sign'
  if (permissions.includes('cc')) return 'cc'
  throw refuse('fasc_unsupported', { name: `${ref}.permissions=fill` })
}

/** Who the actor is, when the client says so; an identity number that is named must be that subject's. */
async function subjectOf(actor: TaskActor['actor'], deps: ActorsDeps): Promise<string | undefined> {
  const ref = actor.actorId
  const subjectId = actor.actorOpenId === undefined ? undefined : readOpenId(actor.actorOpenId)
  if (subjectId === null) throw wrong(ref, 'actorOpenId 不存在', 'there is no such actorOpenId')
  const number = actor.certNoForMatch
  if (number === undefined) return subjectId
  if (actor.actorType === 'corp') {
    const corp = await deps.accounts.corpByCreditCode(number)
    if (corp === null || (subjectId !== undefined && corp.id !== subjectId)) {
      throw wrong(ref, 'certNoForMatch 与企业不符', 'certNoForMatch is not that of the company')
    }
    return corp.id
  }
  // Nobody's number is known before it joins, and a check that is not made must not look like one.
  if (subjectId === undefined) throw refuse('fasc_unsupported', { name: `${ref}.certNoForMatch` })
  if ((await deps.accounts.idNumber(subjectId)) !== number.toUpperCase()) {
    throw wrong(ref, 'certNoForMatch 与个人不符', 'certNoForMatch is not that of the person')
  }
  return subjectId
}

async function nameOf(
  kind: 'corp' | 'person',
  subjectId: string | undefined,
  { accounts }: ActorsDeps,
): Promise<string | undefined> {
  if (subjectId === undefined) return undefined
  const subject = kind === 'corp' ? await accounts.corp(subjectId) : await accounts.person(subjectId)
  return subject?.name ?? undefined
}

/** Where link and codes go: the named account, or the address for notices. */
function contactOf(actor: TaskActor['actor']): { mobile?: string; email?: string } {
  const contact: { mobile?: string; email?: string } = {}
  for (const given of [actor.accountName, actor.notification?.notifyAddress, actor.notifyAddress]) {
    if (given === undefined) continue
    const login = readLogin(given)
    if (login === null) {
      throw wrong(
        actor.actorId,
        '通知地址不是手机号或邮箱',
        'the address is neither a mobile number nor a mail address',
      )
    }
    contact[login.kind] ??= login.value
  }
  return contact
}

/** The one seal that all fields of an actor use. */
async function sealOf(
  ref: string,
  given: Omit<TaskActor, 'actor'>,
  deps: ActorsDeps,
): Promise<string | undefined> {
  const named = [
    ...(given.signFields ?? []).map((field) => field.sealId),
    given.signConfigInfo?.freeDragSealId,
  ]
  const ids = new Set<string>()
  for (const id of named) if (id != null && id !== '' && id !== '0') ids.add(await deps.sealOf(id))
  if (ids.size > 1) throw refuse('fasc_unsupported', { name: `${ref}.signFields.sealId × ${ids.size}` })
  return [...ids][0]
}

function wrong(ref: string, reasonZh: string, reasonEn: string) {
  return refuse('fasc_actor_invalid', { ref, reasonZh, reasonEn })
}
