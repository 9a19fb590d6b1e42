/** The numbers of PKCS#11 2.40 and 3.0 (OASIS) that are used here; written out so that the library loads lazily. */

export const CKF = {
  rwSession: 0x2,
  serialSession: 0x4,
  loginRequired: 0x4,
  userPinFinalTry: 0x20000,
  userPinLocked: 0x40000,
} as const

export const CKU = { user: 1, contextSpecific: 2 } as const

export const CKO = { certificate: 1, publicKey: 2, privateKey: 3, secretKey: 4 } as const

export const CKK = { rsa: 0x0, ec: 0x3, aes: 0x1f, ecEdwards: 0x40 } as const

export const CKA = {
  class: 0x0,
  token: 0x1,
  private: 0x2,
  label: 0x3,
  value: 0x11,
  certificateType: 0x80,
  keyType: 0x100,
  subject: 0x101,
  id: 0x102,
  sensitive: 0x103,
  encrypt: 0x104,
  decrypt: 0x105,
  sign: 0x108,
  verify: 0x10a,
  modulus: 0x120,
  modulusBits: 0x121,
  publicExponent: 0x122,
  publicKeyInfo: 0x129,
  valueLength: 0x161,
  extractable: 0x162,
  ecParams: 0x180,
  ecPoint: 0x181,
  alwaysAuthenticate: 0x202,
} as const

export const CKM = {
  rsaKeyPairGen: 0x0,
  rsaPkcs: 0x1,
  rsaPss: 0xd,
  sha256RsaPkcs: 0x40,
  sha256RsaPss: 0x43,
  sha256: 0x250,
  ecKeyPairGen: 0x1040,
  ecdsa: 0x1041,
  edwardsKeyPairGen: 0x1055,
  eddsa: 0x1057,
  aesKeyGen: 0x1080,
  aesGcm: 0x1087,
} as const

export const CKG = { mgf1Sha256: 0x2 } as const

/** How the library lays out a mechanism's parameter. GCM as since PKCS#11 2.40 errata 1, with the bits of the IV. */
export const PARAMETERS = { rsaPss: 5, aesGcm240: 7 } as const

export const CKR = {
  slotIdInvalid: 0x3,
  attributeTypeInvalid: 0x12,
  attributeSensitive: 0x11,
  deviceError: 0x30,
  deviceRemoved: 0x32,
  keyHandleInvalid: 0x60,
  keyFunctionNotPermitted: 0x68,
  keyTypeInconsistent: 0x63,
  mechanismInvalid: 0x70,
  mechanismParamInvalid: 0x71,
  objectHandleInvalid: 0x82,
  operationActive: 0x90,
  pinIncorrect: 0xa0,
  pinInvalid: 0xa1,
  pinLengthRange: 0xa2,
  pinExpired: 0xa3,
  pinLocked: 0xa4,
  sessionClosed: 0xb0,
  sessionHandleInvalid: 0xb3,
  tokenNotPresent: 0xe0,
  tokenNotRecognized: 0xe1,
  userAlreadyLoggedIn: 0x100,
  userNotLoggedIn: 0x101,
  cryptokiNotInitialized: 0x190,
  cryptokiAlreadyInitialized: 0x191,
} as const
