// The door of @yinxin/pades.
export type { Appearance, Content } from './appearance.ts'
export { composeContent, prepareAppearance } from './appearance.ts'
export { extendHashState, type HashState, hashStateOf } from './hash-state.ts'
export type { DisplayRect, Placement } from './placement.ts'
export { PdfRefusal, type PdfRefusalCode } from './refusal.ts'
export { finishSignature, type PreparedSignature, type PrepareOptions, prepareSignature } from './sign.ts'
export {
  type CmsOptions,
  reserveFor,
  type SignOptions,
  signDelta,
  signPdf,
  signPrepared,
} from './sign-pdf.ts'
