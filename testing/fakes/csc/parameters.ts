/** Strict reading of what a client sends: the error cases of CSC API 2.0.0.2 §11 in their own words. */

/** An error as §10.2 has it. */
export class CscFailure extends Error {
  readonly status: number
  readonly error: string

  constructor(status: number, error: string, description: string) {
    super(description)
    this.status = status
    this.error = error
  }
}

export const invalid = (description: string): CscFailure =>
  new CscFailure(400, 'invalid_request', description)

export type Parameters = Record<string, unknown>

/** Refuses parameters the method does not have: a client that misspells one would believe it was heeded. */
export function onlyThese(given: Parameters, names: readonly string[]): void {
  for (const name of Object.keys(given)) if (!names.includes(name)) throw invalid(`Unknown parameter ${name}`)
}

export function stringOf(given: Parameters, name: string): string {
  const value = given[name]
  if (typeof value !== 'string' || value === '')
    throw invalid(`Missing (or invalid type) string parameter ${name}`)
  return value
}

export function optionalString(given: Parameters, name: string, longest = 1000): string | undefined {
  const value = given[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string' || value.length > longest) throw invalid(`Invalid parameter ${name}`)
  return value
}

export function optionalBoolean(given: Parameters, name: string): boolean {
  const value = given[name]
  if (value !== undefined && typeof value !== 'boolean') throw invalid(`Invalid parameter ${name}`)
  return value ?? false
}

const digestBytes: Record<string, number> = {
  '2.16.840.1.101.3.4.2.1': 32,
  '2.16.840.1.101.3.4.2.2': 48,
  '2.16.840.1.101.3.4.2.3': 64,
}

/** The hashes of a request, each as long as its algorithm makes them. */
export function hashesOf(given: Parameters): { hashes: Buffer[]; oid: string } {
  const list = given.hashes
  if (!Array.isArray(list)) throw invalid('Missing (or invalid type) array parameter hash')
  if (list.length === 0) throw invalid('Empty hash array')
  const oid = stringOf(given, 'hashAlgorithmOID')
  const wanted = digestBytes[oid]
  if (wanted === undefined) throw invalid('Invalid parameter hashAlgorithmOID')
  const hashes = list.map((one) => {
    const bytes = base64Of(one)
    if (bytes === undefined) throw invalid('Invalid Base64 hash string parameter')
    if (bytes.length !== wanted) throw invalid('Invalid digest value length')
    return bytes
  })
  return { hashes, oid }
}

export function digestOf(
  given: Parameters,
  hashName: string,
  oidName: string,
): { hash: Buffer; oid: string } {
  const text = stringOf(given, hashName)
  const oid = stringOf(given, oidName)
  const hash = base64Of(text)
  if (hash === undefined) throw invalid('Invalid Base64 hash string parameter')
  if (digestBytes[oid] === undefined) throw invalid(`Invalid parameter ${oidName}`)
  if (hash.length !== digestBytes[oid]) throw invalid('Invalid digest value length')
  return { hash, oid }
}

function base64Of(value: unknown): Buffer | undefined {
  if (typeof value !== 'string' || value === '' || value.length % 4 !== 0) return undefined
  return /^[A-Za-z0-9+/]+={0,2}$/.test(value) ? Buffer.from(value, 'base64') : undefined
}
