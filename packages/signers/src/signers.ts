/**
 * The door of @yinxin/signers: signers whose key lives elsewhere, on a PKCS#11 token or with a remote signing service
 * that speaks the CSC API v2. They fit the two-phase interface of @yinxin/pades.
 */
export { openPkcs11, type Pkcs11Options, type Pkcs11Token, type Sealed } from './pkcs11.ts'
export type { Pkcs11Binding } from './pkcs11-library.ts'
export type { Pkcs11Kind, Pkcs11Object, Pkcs11Query } from './pkcs11-objects.ts'
export { type Pkcs11KeyChoice, type Pkcs11Signer, pkcs11Signer } from './pkcs11-signer.ts'
export type { TokenChoice, TokenFacts } from './pkcs11-session.ts'
export type { RemoteAlgorithm } from './signature-forms.ts'
export { SignerError, type SignerErrorCode } from './signer-error.ts'
export {
  type CscClient,
  type CscClientOptions,
  type CscHashes,
  type CscOauth,
  type CscOauthClient,
  type CscSignHash,
  createCscClient,
  createCscOauth,
  cscTokens,
} from './csc-client.ts'
export type {
  CscAccessToken,
  CscAuthData,
  CscAuthObject,
  CscAuthorization,
  CscCredential,
  CscInfo,
  CscSignatures,
} from './csc-messages.ts'
export {
  type CscAuthQuestion,
  type CscSigner,
  type CscSignerOptions,
  cscSigner,
  cscTimestamp,
} from './csc-signer.ts'
export type { CscTransportOptions } from './csc-transport.ts'
