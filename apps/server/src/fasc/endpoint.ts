import type { z } from 'zod'
import { refuse } from './errors.ts'
import type { FascCaller } from './gate.ts'

/** One interface of the protocol: reads its parameters and does its work. */
export type Endpoint = (caller: FascCaller, content: unknown) => Promise<unknown>
export type Endpoints = Record<string, Endpoint>

/** An interface with parameters of a shape; what does not fit is refused with the first thing that is wrong. */
export function endpoint<Schema extends z.ZodType>(
  schema: Schema,
  handle: (caller: FascCaller, input: z.output<Schema>) => Promise<unknown>,
): Endpoint {
  return async (caller, content) => {
    const parsed = schema.safeParse(content)
    if (parsed.success) return await handle(caller, parsed.data)
    const [issue] = parsed.error.issues
    throw refuse('fasc_input_invalid', {
      first: `${issue?.path.map(String).join('.') ?? ''} ${issue?.message ?? ''}`.trim(),
    })
  }
}
