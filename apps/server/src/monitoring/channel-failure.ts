/**
 * A message that did not go out, and what that means: `again` later, `never` (its address or a setting is wrong),
 * `rest` (the channel wants to be left alone for a while), `uncertain` (it may have arrived).
 */
export type FailureKind = 'again' | 'never' | 'rest' | 'uncertain'

export class ChannelFailure extends Error {
  override readonly name = 'ChannelFailure'
  readonly kind: FailureKind

  constructor(message: string, kind: FailureKind) {
    super(message)
    this.kind = kind
  }
}
