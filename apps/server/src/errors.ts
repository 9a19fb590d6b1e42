/**
 * The one error that a user is meant to read. A room declares its refusals with
 * {@link defineRefusals}; `http/problem.ts` alone turns a kind into an HTTP status.
 */
export type RefusalKind =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'too_large'
  | 'limited'
  | 'unavailable'
  | 'gone'

export interface RefusalText {
  kind: RefusalKind
  /** What is wrong and how to mend it; `{name}` is filled from the parameters. */
  zh: string
  en: string
}

export type RefusalParams = Record<string, string | number>

/** Thrown for anything that the caller can mend. Safe to show; never carries secrets or contract content. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: string
  readonly kind: RefusalKind
  readonly params: RefusalParams
  readonly zh: string
  readonly en: string

  constructor(code: string, text: RefusalText, params: RefusalParams = {}, cause?: unknown) {
    super(`${code}: ${fill(text.en, params)}`, cause === undefined ? undefined : { cause })
    this.code = code
    this.kind = text.kind
    this.params = params
    this.zh = fill(text.zh, params)
    this.en = fill(text.en, params)
  }
}

const catalogue = new Map<string, RefusalText>()

/**
 * Declares the refusals of one room and returns the function that makes them:
 * `throw refuse('seal_not_found')`. Codes are unique over the whole platform.
 */
export function defineRefusals<Code extends string>(texts: Record<Code, RefusalText>) {
  for (const [code, text] of Object.entries<RefusalText>(texts)) {
    if (catalogue.has(code)) throw new Error(`the refusal code ${code} is declared twice`)
    catalogue.set(code, text)
  }
  return (code: Code, params?: RefusalParams, cause?: unknown): Refusal =>
    new Refusal(code, texts[code], params, cause)
}

/** Every declared refusal by code, for the generated error reference. */
export function refusalCatalogue(): ReadonlyMap<string, RefusalText> {
  return catalogue
}

function fill(text: string, params: RefusalParams): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole))
}
