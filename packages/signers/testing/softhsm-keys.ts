/** Keys and certificates on a SoftHSM2 token, made the way an operator makes them: by the module's own calls. */
import { PKCS11 } from 'pkcs11js'
import { CKA, CKF, CKK, CKM, CKO, CKU } from '../src/pkcs11-constants.ts'

/** A session of the module itself, beside the code under test. */
export function rawSession(module: string, tokenLabel: string, pin?: string) {
  const native = new PKCS11()
  native.load(module)
  try {
    native.C_Initialize()
  } catch {
    // Somebody else in this process has; it is the same module.
  }
  const slot = native
    .C_GetSlotList(true)
    .find((one) => native.C_GetTokenInfo(one).label.trim() === tokenLabel)
  if (slot === undefined) throw new Error(`no token ${tokenLabel}`)
  const session = native.C_OpenSession(slot, CKF.serialSession | CKF.rwSession)
  if (pin !== undefined) {
    try {
      native.C_Login(session, CKU.user, pin)
    } catch (error) {
      if (!(error instanceof Error && error.message.includes('ALREADY_LOGGED_IN'))) throw error
    }
  }
  return { native, slot, session }
}

export type TokenKeyType = 'rsa' | 'p256' | 'p384' | 'ed25519'

const kinds: Record<
  TokenKeyType,
  { mechanism: number; keyType: number; publicPart: { type: number; value: Buffer | number }[] }
> = {
  rsa: {
    mechanism: CKM.rsaKeyPairGen,
    keyType: CKK.rsa,
    publicPart: [
      { type: CKA.modulusBits, value: 2048 },
      { type: CKA.publicExponent, value: Buffer.from('010001', 'hex') },
    ],
  },
  p256: {
    mechanism: CKM.ecKeyPairGen,
    keyType: CKK.ec,
    publicPart: [{ type: CKA.ecParams, value: Buffer.from('06082a8648ce3d030107', 'hex') }],
  },
  p384: {
    mechanism: CKM.ecKeyPairGen,
    keyType: CKK.ec,
    publicPart: [{ type: CKA.ecParams, value: Buffer.from('06052b81040022', 'hex') }],
  },
  ed25519: {
    mechanism: CKM.edwardsKeyPairGen,
    keyType: CKK.ecEdwards,
    // PrintableString "edwards25519" (PKCS#11 3.0 §2.3.5).
    publicPart: [
      { type: CKA.ecParams, value: Buffer.concat([Buffer.from([0x13, 12]), Buffer.from('edwards25519')]) },
    ],
  },
}

/** A key pair that never leaves the token; returns what takes its public half away again. */
export function makeKeyPair(
  at: ReturnType<typeof rawSession>,
  type: TokenKeyType,
  name: { label: string; id: string },
  more: { alwaysAuthenticate?: boolean } = {},
): () => void {
  const { mechanism, keyType, publicPart } = kinds[type]
  const common = [
    { type: CKA.keyType, value: keyType },
    { type: CKA.label, value: name.label },
    { type: CKA.id, value: Buffer.from(name.id, 'hex') },
  ]
  const { publicKey } = at.native.C_GenerateKeyPair(
    at.session,
    { mechanism },
    [
      { type: CKA.class, value: CKO.publicKey },
      ...common,
      { type: CKA.token, value: true },
      { type: CKA.verify, value: true },
      ...publicPart,
    ],
    [
      { type: CKA.class, value: CKO.privateKey },
      ...common,
      { type: CKA.token, value: true },
      { type: CKA.private, value: true },
      { type: CKA.sensitive, value: true },
      { type: CKA.extractable, value: false },
      { type: CKA.sign, value: true },
      ...(more.alwaysAuthenticate === true ? [{ type: CKA.alwaysAuthenticate, value: true }] : []),
    ],
  )
  return () => at.native.C_DestroyObject(at.session, publicKey)
}

export function putCertificate(
  at: ReturnType<typeof rawSession>,
  der: Uint8Array,
  subject: Uint8Array,
  name: { label: string; id: string },
): void {
  at.native.C_CreateObject(at.session, [
    { type: CKA.class, value: CKO.certificate },
    { type: CKA.certificateType, value: 0 },
    { type: CKA.token, value: true },
    { type: CKA.label, value: name.label },
    { type: CKA.id, value: Buffer.from(name.id, 'hex') },
    { type: CKA.subject, value: Buffer.from(subject) },
    { type: CKA.value, value: Buffer.from(der) },
  ])
}
