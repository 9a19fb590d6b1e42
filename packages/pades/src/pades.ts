// The door of @yinxin/pades.
export { type AttachedFile, attachedFiles } from './attachments.ts'
export type { Appearance, Content } from './appearance.ts'
export { composeContent, prepareAppearance } from './appearance.ts'
export { changedPages, type PageChange, revisionBytes } from './changed-pages.ts'
export type { ChangeLevel } from './step.ts'
export {
  type Drawing,
  type DrawingItem,
  drawingContent,
  drawingSvg,
  MM,
  type Path,
  type PathCommand,
} from './drawing.ts'
export { drawHandwriting, type HandwritingOptions, type Stroke, type StrokePoint } from './handwriting.ts'
export type { ValidationData } from './dss.ts'
export {
  type ExtendOptions,
  extendDelta,
  extendPdf,
  renewPdf,
  type TimestampOptions,
  type TimestampSource,
  timestampDelta,
  timestampPdf,
} from './extend.ts'
export { extendHashState, type HashState, hashStateOf } from './hash-state.ts'
export { inspectPdf, type PdfInfo, type PdfPageInfo } from './inspect.ts'
export type { FieldLock } from './locks.ts'
export type { RevocationAnswer, RevocationSource, ValidationNeed } from './needs.ts'
export type { DisplayRect, Placement } from './placement.ts'
export {
  comparePictures,
  differencePicture,
  type Picture,
  type PictureDifference,
  type PixelBox,
} from './pixels.ts'
export { decodePng, drawPng, type Pixels } from './png.ts'
export { drawQr, type QrOptions } from './qr.ts'
export { PdfRefusal, type PdfRefusalCode } from './refusal.ts'
export type {
  CertificateFacts,
  ChangesAfter,
  PdfVerification,
  Problem,
  SignatureReport,
  SignatureStatus,
} from './report.ts'
export type { ActiveContent, ActiveContentKind } from './scan.ts'
export {
  type CompanySealKind,
  type CompanySealOptions,
  drawCompanySeal,
  drawSquareSeal,
  SEAL_RED,
  type SquareSealOptions,
} from './seal.ts'
export {
  finishSignature,
  type PreparedSignature,
  type PrepareOptions,
  prepareDocumentTimestamp,
  prepareSignature,
  prepareSignatureOf,
} from './sign.ts'
export {
  type CmsOptions,
  reserveFor,
  type SignOptions,
  signDelta,
  signPdf,
  signPrepared,
} from './sign-pdf.ts'
export { type FontSubset, subsetFont } from './subset.ts'
export { drawSvg } from './svg.ts'
export { chineseDate, drawText, type TextOptions } from './text.ts'
export { type Font, parseFont } from './truetype.ts'
export { type VerifyOptions, verifyPdf } from './verify.ts'
export type { ConclusionText } from './conclusion.ts'
export {
  type Block,
  type DiagnosticData,
  type Indication,
  type PdfValidation,
  type SubIndication,
  type ValidatedSignature,
  type ValidationOptions,
  validatePdf,
} from './validate.ts'
export { inflateRaw } from '#flate'
export { normalizePdf } from './normalize.ts'
export type { PdfSource } from './source.ts'
