/** What the routes of this room say, as zod; `wire.test.ts` holds them to the published types. */
import { z } from 'zod'

export const identityState = z.object({
  verified: z.boolean(),
  verifiedAt: z.iso.datetime().nullable(),
  method: z.string().nullable(),
  provider: z.string().nullable(),
  simulated: z.boolean(),
})

export const environment = z.object({
  mode: z.enum(['development', 'sandbox', 'production']),
  developmentCa: z.boolean(),
  simulators: z.array(z.string()),
})

export const person = z.object({
  id: z.uuid(),
  name: z.string().nullable(),
  mobile: z.string().nullable(),
  email: z.string().nullable(),
  identity: identityState,
})

export const me = z.object({
  accountId: z.uuid(),
  login: z.string(),
  person,
  acting: z.object({
    kind: z.enum(['person', 'corp']),
    subjectId: z.uuid(),
    name: z.string(),
    role: z.enum(['self', 'admin', 'member']),
  }),
  memberships: z.array(
    z.object({ corpId: z.uuid(), corpName: z.string(), role: z.enum(['admin', 'member']) }),
  ),
  environment,
})

export const openedSession = z.object({ token: z.string(), me })

export const corp = z.object({
  id: z.uuid(),
  name: z.string(),
  creditCode: z.string(),
  legalRepresentative: z.string(),
  identity: identityState,
})

export const member = z.object({
  personId: z.uuid(),
  name: z.string().nullable(),
  login: z.string(),
  role: z.enum(['admin', 'member']),
  active: z.boolean(),
})

export const app = z.object({
  appId: z.string(),
  name: z.string(),
  environment: z.enum(['sandbox', 'production']),
  callbackUrl: z.string().nullable(),
  active: z.boolean(),
  createdAt: z.iso.datetime(),
})

export const appWithSecret = app.extend({ appSecret: z.string() })

/** A name as people type it; the identity room decides what it proves. */
export const nameInput = z.string().trim().min(1).max(100)
const login = z.string().min(3).max(254)
const code = z
  .string()
  .trim()
  .regex(/^\d{6}$/)
const password = z.string().min(1).max(200)

export const loginCodeInput = z.object({ login })
export const registrationInput = z.object({
  login,
  code,
  password: password.optional(),
  name: nameInput.optional(),
})
export const sessionInput = z.union([z.object({ login, password }), z.object({ login, code })])
export const passwordInput = z.union([
  z.strictObject({ password, oldPassword: password }),
  z.strictObject({ password, code }),
])
export const actingInput = z.object({ subjectId: z.uuid() })
export const memberInput = z.object({ login, role: z.enum(['admin', 'member']) })
export const appInput = z.object({
  name: nameInput,
  environment: z.enum(['sandbox', 'production']),
  callbackUrl: z.string().max(2048).optional(),
})
export const appChange = z.object({
  callbackUrl: z.string().max(2048).nullable().optional(),
  active: z.boolean().optional(),
})
