import { z } from 'zod'
import type { Db } from '#src/db/db.ts'
import type { SignTasks } from '#src/sign-tasks/sign-tasks.ts'
import { taskActor } from './actors.ts'
import { createInput, type FascDrafts, taskDoc } from './drafts.ts'
import { endpoint, type Endpoints } from './endpoint.ts'
import { refuse } from './errors.ts'
import { docField, positionOf } from './fields.ts'
import type { FascCaller } from './gate.ts'
import type { DownloadLinks } from './links.ts'
import { readOpenId, toOpenId } from './open-ids.ts'
import { flag, owner, page, pageAnswer, pageOf, text, withTask } from './shapes.ts'
import { echoes, findTask, readFields } from './store.ts'
import type { TaskEcho } from './tables.ts'
import { actorInfo, detailView, progressOf, sightingsOf, statusesOf, summaryView } from './task-views.ts'

/** A task's history is read so far for the visits of its actors. */
const EVENTS_READ = 1000
const DEFAULT_REASON = '发起方撤销'

export interface TaskEndpointsDeps {
  db: Db
  signTasks: SignTasks
  drafts: FascDrafts
  links: DownloadLinks
}

/** `/sign-task/…`: from a draft to the signed files. Each is for the app's company alone. */
export function taskEndpoints(deps: TaskEndpointsDeps): Endpoints {
  const { db, signTasks, drafts, links } = deps

  const task = (caller: FascCaller, taskId: string) => signTasks.get(caller, taskId)

  /** The task with what this room and its history know of it. */
  async function whole(caller: FascCaller, taskId: string) {
    const found = await task(caller, taskId)
    const events = await signTasks.events(caller, taskId, { fromSeq: 0, limit: EVENTS_READ })
    const kept = await db.as(caller.subjectId, async (tx) => ({
      row: await findTask(tx, taskId),
      fields: await readFields(tx, taskId),
    }))
    return {
      task: found,
      fields: kept.fields,
      echo: kept.row?.echo as TaskEcho | undefined,
      seen: sightingsOf(events),
    }
  }

  const getDetail = endpoint(withTask({}), async (caller, input) => {
    const { task: found, fields, echo, seen } = await whole(caller, input.signTaskId)
    return detailView(found, fields, echo, seen)
  })

  return {
    '/sign-task/create': endpoint(createInput, async (caller, input) => {
      const made = await drafts.create(caller, input)
      return { signTaskId: toOpenId(made.id) }
    }),

    '/sign-task/doc/add': endpoint(
      withTask({ docs: z.array(taskDoc).min(1).max(20) }),
      async (caller, input) => {
        await drafts.addDocs(caller, input.signTaskId, input.docs)
        return null
      },
    ),

    '/sign-task/field/add': endpoint(
      withTask({
        fields: z
          .array(
            z.object({
              docId: z.union([z.string().max(64), z.number().transform(String)]),
              docFields: z.array(docField).min(1).max(500),
            }),
          )
          .min(1)
          .max(50),
      }),
      async (caller, input) => {
        await drafts.addFields(caller, input.signTaskId, input.fields)
        return null
      },
    ),

    '/sign-task/actor/add': endpoint(
      withTask({ actors: z.array(taskActor).min(1).max(100), businessId: text(64) }),
      async (caller, input) => {
        await drafts.addActors(caller, input.signTaskId, input.actors, input.businessId)
        return null
      },
    ),

    '/sign-task/start': endpoint(withTask({}), async (caller, input) => {
      await drafts.start(caller, input.signTaskId)
      return null
    }),

    '/sign-task/cancel': endpoint(withTask({ terminationNote: text(500) }), async (caller, input) => {
      await signTasks.cancel(caller, input.signTaskId, input.terminationNote ?? DEFAULT_REASON)
      return null
    }),

    '/sign-task/urge': endpoint(withTask({}), async (caller, input) => {
      await signTasks.urge(caller, input.signTaskId)
      return null
    }),

    '/sign-task/delete': endpoint(withTask({}), async (caller, input) => {
      await signTasks.remove(caller, input.signTaskId)
      return null
    }),

    // The published client asks at the first address, the published documents name the second.
    '/sign-task/app/get-detail': getDetail,
    '/sign-task/get-detail': getDetail,

    '/sign-task/actor/list': endpoint(withTask({}), async (caller, input) => {
      const { task: found, seen } = await whole(caller, input.signTaskId)
      return found.actorDetails.map((actor) => ({
        ...actorInfo(found, actor),
        ...progressOf(found, actor, seen.get(actor.actorId)),
        identNameForMatch: actor.name,
        joinName: actor.subjectId === null ? null : actor.name,
        verifyFreeSign: actor.freeSign,
      }))
    }),

    '/sign-task/actor/get-url': endpoint(
      withTask({ actorId: z.string().min(1).max(64) }),
      async (caller, input) => {
        const found = await task(caller, input.signTaskId)
        const actor = found.actorDetails.find((one) => one.ref === input.actorId)
        if (actor === undefined) {
          throw refuse('fasc_actor_invalid', {
            ref: input.actorId,
            reasonZh: '任务中没有这个参与方',
            reasonEn: 'the task has no such actor',
          })
        }
        const { url } = await signTasks.link(caller, input.signTaskId, actor.actorId)
        return { actorSignTaskUrl: url, actorSignTaskEmbedUrl: url }
      },
    ),

    '/sign-task/field/list': endpoint(withTask({}), async (caller, input) => {
      const { task: found, fields } = await whole(caller, input.signTaskId)
      return {
        signTaskId: toOpenId(found.id),
        signTaskSubject: found.title,
        // There are no fields to fill in here yet; those to sign are told besides.
        fillFields: [],
        signFields: fields.map((field) => ({
          fieldId: field.field_id,
          fieldName: field.field_name,
          fieldType: field.field_type,
          actorId: field.actor_ref,
          docId: field.doc_ref,
          docName: found.documents.find((one) => one.ref === field.doc_ref)?.name ?? null,
          position: positionOf(field),
        })),
      }
    }),

    '/sign-task/owner/get-list': endpoint(
      z.object({
        ownerId: owner,
        ownerRole: z.enum(['initiator', 'actor']).nullish(),
        memberId: text(64),
        listFilter: z
          .strictObject({
            signTaskSubject: text(200),
            signTaskStatus: z.union([z.array(z.string()), z.string().transform((one) => [one])]).nullish(),
          })
          .nullish(),
        ...page,
      }),
      async (caller, input) => {
        requireOwner(caller, input.ownerId.openId)
        if (input.memberId !== undefined) throw refuse('fasc_unsupported', { name: 'memberId' })
        const numbered = pageOf(input)
        const wanted = input.listFilter?.signTaskStatus ?? []
        const statuses = statusesOf(wanted)
        const isEmpty = wanted.length > 0 && statuses.length === 0
        const { rows, total } = isEmpty
          ? { rows: [], total: 0 }
          : await signTasks.search(caller, {
              ...(statuses.length === 0 ? {} : { statuses }),
              ...(input.ownerRole == null
                ? {}
                : { role: input.ownerRole === 'initiator' ? ('initiated' as const) : ('received' as const) }),
              ...(input.listFilter?.signTaskSubject === undefined
                ? {}
                : { title: input.listFilter.signTaskSubject }),
              offset: numbered.offset,
              limit: numbered.size,
            })
        const kept = await db.as(caller.subjectId, (tx) =>
          echoes(
            tx,
            rows.map((row) => row.id),
          ),
        )
        return {
          signTasks: rows.map((row) =>
            summaryView(row, kept.get(row.id) as TaskEcho | undefined, row.tenant_id === caller.subjectId),
          ),
          ...pageAnswer(numbered, rows.length, total),
        }
      },
    ),

    '/sign-task/evidence-report/get-download-url': endpoint(withTask({}), async (caller, input) => {
      const found = await task(caller, input.signTaskId)
      if (found.startedAt === null) throw refuse('fasc_not_downloadable')
      return {
        downloadUrl: links.issue({ kind: 'evidence', subjectId: caller.subjectId, taskId: found.id }),
      }
    }),

    '/sign-task/owner/get-download-url': endpoint(
      withTask({
        ownerId: owner,
        fileType: z.enum(['doc', 'attach']).nullish(),
        id: z.union([z.string().max(64), z.number().transform(String)]).nullish(),
        compression: flag.nullish(),
        customName: text(100),
        folderBySigntask: flag.nullish(),
        batchDownloadInfo: z.array(z.unknown()).nullish(),
      }),
      async (caller, input) => {
        requireOwner(caller, input.ownerId.openId)
        if (input.fileType === 'attach') throw refuse('fasc_unsupported', { name: 'fileType=attach' })
        if ((input.batchDownloadInfo?.length ?? 0) > 0) {
          throw refuse('fasc_unsupported', { name: 'batchDownloadInfo' })
        }
        const found = await task(caller, input.signTaskId)
        if (found.startedAt === null) throw refuse('fasc_not_downloadable')
        const docRef = input.id == null || input.id === '' ? undefined : input.id
        if (docRef !== undefined && !found.documents.some((one) => one.ref === docRef)) {
          throw refuse('fasc_document_unknown', { id: docRef })
        }
        // An archive unless a single file is asked for as it is.
        const isSingle = docRef !== undefined || found.documents.length === 1
        const form = input.compression === false && isSingle ? 'pdf' : 'zip'
        return {
          downloadUrl: links.issue({
            kind: 'task',
            subjectId: caller.subjectId,
            taskId: found.id,
            form,
            ...(docRef === undefined ? {} : { docRef }),
            ...(input.customName === undefined ? {} : { name: input.customName }),
          }),
        }
      },
    ),
  }
}

function requireOwner(caller: FascCaller, id: string): void {
  if (readOpenId(id) !== caller.subjectId) throw refuse('fasc_corp_unknown', { id: id.slice(0, 64) })
}
