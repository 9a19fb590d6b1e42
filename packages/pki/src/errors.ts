/** Why a structure was refused. Stable: callers branch on it, texts may change. */
export type PkiErrorCode =
  /** The bytes are not the DER (or bounded BER) that was expected. */
  | 'der'
  /** A well-formed structure breaks a rule of its own standard. */
  | 'structure'
  /** A PEM block is missing or damaged. */
  | 'pem'
  /** An algorithm, key type or version this package does not implement. */
  | 'unsupported'
  /** A certificate to be issued breaks its profile; `findings` says where. */
  | 'lint'
  /** A key and the certificate it is used with do not belong together. */
  | 'key-mismatch'
  /** The caller passed a value outside its documented range. */
  | 'argument'
  /** Nobody who was asked gave a good answer; the message has the reason of each. */
  | 'unavailable'

/** One rule of a certificate profile that a certificate breaks. */
export interface Finding {
  /** Stable name of the rule, such as `key-usage-exact`. */
  readonly rule: string
  /** The clause that the rule implements. */
  readonly source: string
  readonly message: string
}

/** The only error this package throws on purpose. */
export class PkiError extends Error {
  readonly code: PkiErrorCode
  /** Filled for the code `lint` only. */
  readonly findings: readonly Finding[]

  constructor(code: PkiErrorCode, message: string, findings: readonly Finding[] = []) {
    super(message)
    this.name = 'PkiError'
    this.code = code
    this.findings = findings
  }
}
