/**
 * The door of @yinxin/pki: X.509, CRL, OCSP, CMS, RFC 3161 and EST, built, parsed and verified, SM2 included. No I/O,
 * no clock: times, serial numbers and nonces are arguments.
 */
export {
  type DigestAlgorithm,
  digestForSigning,
  digestLength,
  isWeakDigest,
  type SignatureAlgorithm,
  type SignatureScheme,
} from './algorithms.ts'
export type { AsyncSigner } from './async-signer.ts'
export { toHex } from './bytes.ts'
export { type Certificate, parseCertificate, verifyCertificateSignature } from './certificate.ts'
export {
  buildSignedAttributes,
  buildSignedData,
  prepareSigningCertificate,
  type SignDetachedFields,
  type SignedAttributesFields,
  type SignedDataFields,
  type SigningCertificate,
  type SigningDigest,
  signDetached,
} from './cms-build.ts'
export {
  type CmsAttribute,
  type EssCertId,
  type ParseSignedDataOptions,
  parseSignedData,
  type SignedData,
  type SignerIdentifier,
  type SignerInfo,
} from './cms-parse.ts'
export {
  type Content,
  digest,
  generateSigner,
  type RunningHash,
  type Signer,
  type Sm2Options,
  signerFromKey,
  signerFromPem,
  startDigest,
} from './crypto.ts'
export { ed25519KeyBytes, verifyEd25519 } from './ed25519.ts'
export { signerFromCryptoKey, type WebCryptoKey, type WebCryptoKeys } from './webcrypto-signer.ts'
export { generateSm2Key, type Sm2Status, sm2SignerFromPkcs8, sm2Status } from './crypto-sm2.ts'
export { defaultSm2Identity, type Sm2Identity } from './sm2.ts'
export { type Finding, PkiError, type PkiErrorCode } from './errors.ts'
export type { Extension, KeyUsage } from './extensions.ts'
export {
  type CertificateRequestFields,
  type IssuerFields,
  issueCertificate,
  type PreparedIssuer,
  prepareIssuer,
  type SubjectFields,
} from './issue.ts'
export {
  acceptEnrolled,
  buildCertsOnly,
  type EnrolledCertificate,
  type EstAnswer,
  type EstMessage,
  type EstResult,
  type EstServer,
  estCaCertsRequest,
  estCertificatesBody,
  estEnrollRequest,
  parseCertsOnly,
  parseEstAnswer,
  parseEstEnrollBody,
} from './est.ts'
export {
  createEstClient,
  type EstClient,
  type EstClientOptions,
  type EstLogin,
  type EstTrust,
} from './est-client.ts'
export {
  type EstAttributes,
  type EstKeygen,
  estCsrAttrsRequest,
  estServerKeygenRequest,
  parseEstCsrAttrs,
  parseEstKeygenAnswer,
} from './est-keygen.ts'
export type { HttpAnswer, HttpPort, HttpRequest } from './http-port.ts'
export { lintCertificate } from './lint.ts'
export {
  encodeName,
  type GeneralName,
  type Name,
  type NameAttribute,
  type NameAttributes,
  type NameAttributeType,
  nameValue,
  parseName,
  type SubjectAltName,
  sameName,
} from './name.ts'
export {
  answerOcspRequest,
  buildOcspFailure,
  buildOcspRequest,
  type OcspAnswer,
  type OcspFailure,
  type OcspRequestFields,
  type OcspResponder,
  ocspHttpRequest,
} from './ocsp-build.ts'
export {
  type OcspCertId,
  type OcspReply,
  type OcspRequest,
  type OcspResponse,
  type OcspSingle,
  parseOcspReply,
  parseOcspRequest,
  parseOcspResponse,
} from './ocsp-parse.ts'
export { type OcspVerification, type VerifyOcspOptions, verifyOcspResponse } from './ocsp-verify.ts'
export { OID } from './oids.ts'
export { parsePem, toPem } from './pem.ts'
export type { CertificateProfile } from './profiles.ts'
export {
  buildTimestampRequest,
  buildTimestampResponse,
  issueTimestampToken,
  type PreparedTimestampAuthority,
  prepareTimestampAuthority,
  type TimestampFailure,
  type TimestampRequestFields,
  type TimestampResponseFields,
  type TimestampTokenFields,
} from './timestamp-build.ts'
export {
  type MessageImprint,
  parseTimestampRequest,
  parseTimestampResponse,
  parseTimestampToken,
  type TimestampRequest,
  type TimestampResponse,
  type TimestampToken,
} from './timestamp-parse.ts'
export {
  type CmsVerification,
  type SignerVerification,
  type VerifySignedDataOptions,
  verifySignedData,
} from './cms-verify.ts'
export {
  type Crl,
  type CrlFields,
  type CrlScope,
  issueCrl,
  parseCrl,
  type RevocationReason,
  type RevokedEntry,
  verifyCrl,
} from './crl.ts'
export {
  buildCertificateRequest,
  type CertificateRequest,
  parseCertificateRequest,
  verifyCertificateRequest,
} from './csr.ts'
export { type PathOptions, type PathResult, validatePath } from './path.ts'
export type { PathPurpose } from './path-checks.ts'
export { type PkiProblem, type ProblemCode, problemTexts } from './problems.ts'
export type {
  RejectedEvidence,
  RevocationRejection,
  RevocationSource,
  RevocationStatus,
} from './revocation.ts'
export {
  fetchRevocation,
  type RevocationClientOptions,
  type RevocationFound,
} from './revocation-client.ts'
export {
  createTimestampClient,
  type ObtainedTimestamp,
  type TimestampClient,
  type TimestampClientOptions,
} from './timestamp-client.ts'
export type { PolicyOptions } from './policies.ts'
export { type PathIndication, pathIndication } from './path-indication.ts'
export {
  type TimestampedContent,
  type TimestampVerification,
  type VerifyTimestampOptions,
  verifyTimestampToken,
} from './timestamp-verify.ts'
export { type KeyFacts, keyFacts } from './public-key.ts'
