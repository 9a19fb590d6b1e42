/** How the clients of this package reach a server: the caller's function, with its TLS, its limits and its clock. */

export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

export interface HttpAnswer {
  readonly status: number
  /** Names in any case, as `fetch` gives them. */
  readonly headers: { get(name: string): string | null }
  /** The caller bounds its size. */
  readonly body: Uint8Array
}

/** Sends one request and follows no redirect. Throws when there is no answer, or none in time. */
export type HttpPort = (request: HttpRequest) => Promise<HttpAnswer>

/** The type of a body without its parameters. */
export const mediaType = (header: string | null | undefined): string | undefined =>
  header?.split(';')[0]?.trim().toLowerCase()

/** What went wrong, one level down where `fetch` hides it. */
export function failureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}
