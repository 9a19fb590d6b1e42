import { z } from 'zod'
import type { Http } from '#src/http/http.ts'
import { decodeCursor, encodeCursor, pageOf, pageQuery } from '#src/http/paging.ts'
import type { FreeSignScene, Seals, SealWithScenes } from './seals.ts'
import * as wire from './wire.ts'

const sealParams = z.object({ id: z.uuid() })

export function addSealRoutes({ http, seals }: { http: Http; seals: Seals }): void {
  const { route } = http

  route({
    method: 'GET',
    url: '/api/v1/seals',
    summary:
      'Lists seals, name seals and stored handwriting of the subject the caller acts for, newest first.',
    access: 'caller',
    query: pageQuery,
    answer: pageOf(wire.seal),
    handle: async ({ caller, query }) => {
      const after = decodeCursor(query.cursor, z.tuple([z.uuid()]))?.[0] ?? null
      const { items, next } = await seals.list(caller, { after, limit: query.limit })
      return { items: items.map(toWireSeal), nextCursor: next === null ? null : encodeCursor([next]) }
    },
  })

  route({
    method: 'POST',
    url: '/api/v1/seals',
    summary: 'Draws a company seal with the confirmed name, or keeps handwriting or a name seal of a person.',
    access: 'caller',
    body: wire.sealInput,
    answer: wire.seal,
    status: 201,
    idempotency: 'steps',
    example: { body: { kind: 'contract', name: '合同专用章', number: '3501000012345' } },
    handle: async ({ caller, body, complete }) =>
      toWireSeal(await seals.create(caller, body, (tx, made) => complete(tx, toWireSeal(made)))),
  })

  route({
    method: 'PATCH',
    url: '/api/v1/seals/:id',
    summary: 'Disables a seal, so that it signs nothing more, or enables it again.',
    access: 'caller',
    params: sealParams,
    body: wire.sealChange,
    answer: wire.seal,
    handle: async ({ caller, params, body }) =>
      toWireSeal(await seals.setStatus(caller, params.id, body.status)),
  })

  route({
    method: 'GET',
    url: '/api/v1/seals/:id/image.svg',
    summary: 'Shows the seal as a vector picture at its true size.',
    access: 'caller',
    params: sealParams,
    answer: 'raw',
    produces: ['image/svg+xml'],
    handle: async ({ caller, params }) => ({
      contentType: 'image/svg+xml; charset=utf-8',
      body: await seals.svg(caller, params.id),
      headers: { 'cache-control': 'private, max-age=3600', 'content-security-policy': "default-src 'none'" },
    }),
  })

  addGrantRoutes(http, seals)
  addSceneRoutes(http, seals)
}

function addGrantRoutes({ route }: Http, seals: Seals): void {
  route({
    method: 'GET',
    url: '/api/v1/seals/:id/grants',
    summary: 'Lists the members who may use the seal besides the administrators.',
    access: 'caller',
    params: sealParams,
    answer: z.object({ items: z.array(wire.sealGrant) }),
    handle: async ({ caller, params }) => ({
      items: (await seals.grants(caller, params.id)).map(toWireGrant),
    }),
  })

  route({
    method: 'POST',
    url: '/api/v1/seals/:id/grants',
    summary: 'Lets a member of the company use the seal, until a time if one is given.',
    access: 'caller',
    params: sealParams,
    body: wire.grantInput,
    answer: wire.sealGrant,
    status: 201,
    idempotency: 'steps',
    handle: async ({ caller, params, body }) =>
      toWireGrant(
        await seals.grant(caller, params.id, {
          personId: body.personId,
          expiresAt: optionalDate(body.expiresAt),
        }),
      ),
  })

  route({
    method: 'DELETE',
    url: '/api/v1/seals/:id/grants/:personId',
    summary: 'Ends the grant: the member may use the seal no more.',
    access: 'caller',
    params: sealParams.extend({ personId: z.uuid() }),
    answer: null,
    handle: async ({ caller, params }) => seals.endGrant(caller, params.id, params.personId),
  })
}

function addSceneRoutes({ route }: Http, seals: Seals): void {
  route({
    method: 'POST',
    url: '/api/v1/seals/:id/free-sign-scenes',
    summary: 'Lets the seal sign without a code in tasks of the company that name this scene.',
    access: 'caller',
    params: sealParams,
    body: wire.sceneInput,
    answer: wire.freeSignScene,
    status: 201,
    idempotency: 'steps',
    example: { body: { name: '标准采购合同' } },
    handle: async ({ caller, params, body, complete }) =>
      toWireScene(
        await seals.addFreeSignScene(
          caller,
          params.id,
          { name: body.name, expiresAt: optionalDate(body.expiresAt) },
          (tx, scene) => complete(tx, toWireScene(scene)),
        ),
      ),
  })

  route({
    method: 'DELETE',
    url: '/api/v1/seals/:id/free-sign-scenes/:businessId',
    summary: 'Ends the scene: the seal signs freely under it no more.',
    access: 'caller',
    params: sealParams.extend({ businessId: z.string().max(64) }),
    answer: null,
    handle: async ({ caller, params }) => seals.endFreeSignScene(caller, params.id, params.businessId),
  })
}

function toWireSeal(seal: SealWithScenes) {
  return {
    id: seal.id,
    kind: seal.kind,
    name: seal.name,
    status: seal.status,
    widthMm: seal.widthMm,
    heightMm: seal.heightMm,
    createdAt: seal.createdAt.toISOString(),
    freeSignScenes: seal.freeSignScenes.map(toWireScene),
  }
}

function toWireScene(scene: Pick<FreeSignScene, 'businessId' | 'name' | 'expiresAt'>) {
  return {
    businessId: scene.businessId,
    name: scene.name,
    expiresAt: scene.expiresAt?.toISOString() ?? null,
  }
}

function toWireGrant(grant: { personId: string; expiresAt: Date | null; grantedAt: Date }) {
  return {
    personId: grant.personId,
    expiresAt: grant.expiresAt?.toISOString() ?? null,
    grantedAt: grant.grantedAt.toISOString(),
  }
}

function optionalDate(text: string | undefined): Date | undefined {
  return text === undefined ? undefined : new Date(text)
}
