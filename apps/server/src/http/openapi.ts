/** OpenAPI 3.1 from the declared routes. */
import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import type { Access } from './authentication.ts'

type Json = Record<string, unknown>

const SECURITY: Record<Access, Record<string, string[]>[]> = {
  public: [],
  optional: [{}, { session: [] }, { cookie: [] }],
  session: [{ session: [] }, { cookie: [] }],
  app: [{ app: [] }],
  caller: [{ session: [] }, { cookie: [] }, { app: [] }],
}

/** Must be registered before the first route. */
export async function addOpenApi(app: FastifyInstance, serverUrl: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Yinxin 印信 API',
        version: '1',
        description:
          '电子合同签署平台接口。Electronic contract signing. Problems are RFC 9457; lists page by cursor; ' +
          '`Idempotency-Key` makes repeated requests safe; `Accept-Language` chooses zh (default) or en.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: serverUrl }],
      components: {
        securitySchemes: {
          session: { type: 'http', scheme: 'bearer', description: 'The token of a log-in.' },
          cookie: {
            type: 'apiKey',
            in: 'cookie',
            name: 'yx_session',
            description: 'Requests that change something also need the header X-Yinxin-Request: 1.',
          },
          app: {
            type: 'apiKey',
            in: 'header',
            name: 'X-Yinxin-Signature',
            description:
              'With X-Yinxin-App, X-Yinxin-Timestamp (ms) and X-Yinxin-Nonce: hex HMAC-SHA256 under the app secret ' +
              'over METHOD, path with query, timestamp, nonce and hex SHA-256 of the body, one per line.',
          },
        },
        schemas: {
          Problem: {
            type: 'object',
            required: ['type', 'title', 'status', 'code', 'detail', 'requestId'],
            properties: {
              type: { type: 'string' },
              title: { type: 'string' },
              status: { type: 'integer' },
              code: { type: 'string', description: 'Stable; see the error reference.' },
              detail: { type: 'string' },
              requestId: { type: 'string' },
              errors: {
                type: 'array',
                items: {
                  type: 'object',
                  properties: { path: { type: 'string' }, message: { type: 'string' } },
                },
              },
            },
          },
        },
      },
    },
    hideUntagged: false,
    transform: (input) => {
      const config = input.route.config
      const { schema, url } = jsonSchemaTransform(input as Parameters<typeof jsonSchemaTransform>[0])
      const out = schema as Json & { body?: Json; response?: Record<string, Json> }
      if (config?.summary === undefined) return { schema: { ...out, hide: true } as never, url }
      out.summary = config.summary
      out.tags = [/^\/api\/v\d+\/([\w-]+)/.exec(url)?.[1] ?? 'trust']
      out.security = SECURITY[config.access ?? 'public']
      if (config.consumes) {
        out.consumes = config.consumes
        out.body ??= { type: 'string', format: 'binary' }
      }
      if (config.produces) {
        out.produces = config.produces
        out.response ??= { 200: { type: 'string', format: 'binary', description: 'Success' } }
      }
      if (out.body && config.example?.body !== undefined) out.body.examples = [config.example.body]
      for (const [status, answer] of Object.entries(out.response ?? {})) {
        if (status.startsWith('2') && config.example?.answer !== undefined)
          answer.examples = [config.example.answer]
      }
      return { schema: out as never, url }
    },
    transformObject: (input) => {
      if (!('openapiObject' in input)) return input.swaggerObject
      for (const path of Object.values(input.openapiObject.paths ?? {})) {
        for (const operation of Object.values(path ?? {}) as { responses?: Json }[]) {
          if (!operation || typeof operation !== 'object' || !('responses' in operation)) continue
          operation.responses = {
            ...operation.responses,
            default: {
              description: 'A problem (RFC 9457)',
              content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
            },
          }
        }
      }
      return input.openapiObject
    },
  })
}
