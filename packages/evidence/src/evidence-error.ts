/** Why a value could not be written or read; the code is stable, the message is for developers. */
export type EvidenceErrorCode =
  | 'not_canonical'
  | 'bad_event'
  | 'bad_proof'
  | 'bad_note'
  | 'bad_tile'
  | 'bad_range'
  | 'bad_zip_input'
  | 'bad_bundle_input'

/** Thrown by writers and parsers of this package; verification of whole packages reports instead. */
export class EvidenceError extends Error {
  readonly code: EvidenceErrorCode

  constructor(code: EvidenceErrorCode, message: string) {
    super(message)
    this.name = 'EvidenceError'
    this.code = code
  }
}
