import { createCipheriv, createDecipheriv } from 'node:crypto'
import { PKCS11 } from 'pkcs11js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startSoftHsm } from '../testing/softhsm.ts'
import { CKA, CKF, CKK, CKO, CKU } from './pkcs11-constants.ts'
import { openPkcs11, type Pkcs11Token } from './pkcs11.ts'
import type { Pkcs11Binding } from './pkcs11-library.ts'

const hsm = startSoftHsm()

/** A module with one token whose login goes as told: what SoftHSM2, which never locks, cannot show. */
function tokenThat(flags: number, refusal?: { code: number; message: string }) {
  const calls: string[] = []
  class Binding {
    load() {}
    C_Initialize() {}
    C_Finalize() {}
    close() {}
    C_GetSlotList = () => [Buffer.alloc(8)]
    C_GetTokenInfo = () => ({ label: 'fake  ', manufacturerID: '', model: '', serialNumber: '7', flags })
    C_OpenSession = () => Buffer.alloc(8)
    C_CloseSession = () => void calls.push('close')
    C_Login() {
      calls.push('login')
      if (refusal !== undefined) throw Object.assign(new Error(refusal.message), { code: refusal.code })
    }
  }
  const open = () =>
    openPkcs11({
      module: `/fake/${flags}-${refusal?.code}.so`,
      tokenLabel: 'fake',
      pin: '1',
      load: async () => Binding as unknown as Pkcs11Binding,
    })
  return { open, calls }
}

describe('a token that guards its PIN', () => {
  const required = CKF.loginRequired
  it('is not tried when it says that the PIN is locked', async () => {
    const { open, calls } = tokenThat(required | CKF.userPinLocked)
    await expect(open()).rejects.toMatchObject({ code: 'pin_locked', zh: expect.stringContaining('管理员') })
    expect(calls).toEqual(['close'])
  })
  it('says that it locked, that the PIN expired, and that a wrong one was the last try', async () => {
    for (const [flags, refusal, wanted] of [
      [required, { code: 0xa4, message: 'CKR_PIN_LOCKED' }, { code: 'pin_locked' }],
      [required, { code: 0xa3, message: 'CKR_PIN_EXPIRED' }, { code: 'pin_expired' }],
      [
        required | CKF.userPinFinalTry,
        { code: 0xa0, message: 'CKR_PIN_INCORRECT' },
        { code: 'pin_wrong', detail: expect.stringContaining('last try') },
      ],
      [required, { code: 0x32, message: 'CKR_DEVICE_REMOVED' }, { code: 'device_removed' }],
      [
        required,
        { code: 0x30, message: 'CKR_DEVICE_ERROR' },
        { code: 'device_error', detail: 'CKR_DEVICE_ERROR' },
      ],
    ] as const) {
      const { open, calls } = tokenThat(flags, refusal)
      await expect(open()).rejects.toMatchObject(wanted)
      expect(calls).toEqual(['login', 'close'])
    }
  })
  it('needs no login where it asks for none', async () => {
    const { open, calls } = tokenThat(0, { code: 0xa0, message: 'CKR_PIN_INCORRECT' })
    const token = await open()
    token.close()
    expect(calls).toEqual(['close'])
  })
})

const utf8 = (text: string) => new TextEncoder().encode(text)

describe.skipIf(hsm === undefined)('a PKCS#11 token', () => {
  const module = hsm?.module ?? ''
  const choice = { module, tokenLabel: '印信 test', pin: '12345678' }
  let token: Pkcs11Token
  beforeAll(async () => {
    hsm?.newToken('印信 test', '12345678')
    hsm?.newToken('other', '4321')
    hsm?.newToken('changing', '1111')
    token = await openPkcs11(choice)
  })
  afterAll(() => {
    token.close()
    hsm?.remove()
  })

  /** The same module without our code, with a session on the token. */
  function raw(): { native: PKCS11; session: Buffer; slot: Buffer } {
    const native = new PKCS11()
    native.load(module)
    const slot = native
      .C_GetSlotList(true)
      .find((one) => native.C_GetTokenInfo(one).label.trim() === '印信 test')
    if (slot === undefined) throw new Error('no slot')
    return { native, slot, session: native.C_OpenSession(slot, CKF.serialSession | CKF.rwSession) }
  }

  it('says which token it is and what it offers', () => {
    expect(token.token).toMatchObject({
      label: '印信 test',
      manufacturer: 'SoftHSM project',
      model: 'SoftHSM v2',
    })
    expect(token.token.serial).toMatch(/^[0-9a-f]{16}$/)
    expect(token.mechanisms().has(0x1087)).toBe(true)
  })

  it('makes an AES key that does not leave it, and opens only what it sealed', () => {
    const key = token.generateAesKey({ label: 'root' })
    expect(key).toMatchObject({ kind: 'secret', label: 'root', type: 'aes' })
    expect(token.findKey({ kind: 'secret', label: 'root' })).toEqual(key)
    const sealed = token.encrypt(key, utf8('a data key'), utf8('tenant 7'))
    expect(sealed.ciphertext.length).toBe(10 + 16)
    expect(Buffer.from(token.decrypt(key, sealed, utf8('tenant 7'))).toString()).toBe('a data key')
    const again = token.encrypt(key, utf8('a data key'), utf8('tenant 7'))
    expect(again.iv).not.toEqual(sealed.iv)
    const flipped = Uint8Array.from(sealed.ciphertext, (octet, at) => (at === 3 ? octet ^ 1 : octet))
    for (const [wrong, aad] of [
      [{ iv: sealed.iv, ciphertext: flipped }, 'tenant 7'],
      [{ iv: again.iv, ciphertext: sealed.ciphertext }, 'tenant 7'],
      [sealed, 'tenant 8'],
      [{ iv: sealed.iv, ciphertext: sealed.ciphertext.subarray(0, 12) }, 'tenant 7'],
    ] as const)
      expect(() => token.decrypt(key, wrong, utf8(aad))).toThrowError(
        expect.objectContaining({ code: 'decrypt_failed' }),
      )
    expect(Buffer.from(token.decrypt(key, sealed, utf8('tenant 7'))).toString()).toBe('a data key')

    const { native, session } = raw()
    native.C_FindObjectsInit(session, [{ type: CKA.label, value: 'root' }])
    const [handle] = native.C_FindObjects(session, 5)
    native.C_FindObjectsFinal(session)
    expect(() => native.C_GetAttributeValue(session, handle as Buffer, [{ type: CKA.value }])).toThrow(
      'CKR_ATTRIBUTE_SENSITIVE',
    )
    native.C_CloseSession(session)

    expect(() => token.generateAesKey({ label: 'root' })).toThrowError(
      expect.objectContaining({ code: 'key_exists' }),
    )
    token.destroyKey(key)
    expect(() => token.findKey({ kind: 'secret', label: 'root' })).toThrowError(
      expect.objectContaining({ code: 'key_missing' }),
    )
    expect(() => token.encrypt(key, utf8('x'))).toThrowError(expect.objectContaining({ code: 'key_missing' }))
  })

  it('computes the AES-GCM of everybody else', () => {
    const value = Buffer.alloc(32, 9)
    const { native, session } = raw()
    native.C_CreateObject(session, [
      { type: CKA.class, value: CKO.secretKey },
      { type: CKA.keyType, value: CKK.aes },
      { type: CKA.label, value: 'known' },
      { type: CKA.token, value: true },
      { type: CKA.private, value: true },
      { type: CKA.encrypt, value: true },
      { type: CKA.decrypt, value: true },
      { type: CKA.value, value },
    ])
    const key = token.findKey({ label: 'known' })
    for (const aad of [undefined, utf8('aad')]) {
      const { iv, ciphertext } = token.encrypt(key, utf8('文本'), aad)
      const decipher = createDecipheriv('aes-256-gcm', value, iv)
      if (aad) decipher.setAAD(aad)
      decipher.setAuthTag(ciphertext.subarray(-16))
      const opened = Buffer.concat([decipher.update(ciphertext.subarray(0, -16)), decipher.final()])
      expect(opened.toString()).toBe('文本')
      const cipher = createCipheriv('aes-256-gcm', value, iv)
      if (aad) cipher.setAAD(aad)
      const made = Buffer.concat([cipher.update('other way'), cipher.final(), cipher.getAuthTag()])
      expect(Buffer.from(token.decrypt(key, { iv, ciphertext: made }, aad)).toString()).toBe('other way')
    }
    token.destroyKey(key)
    native.C_CloseSession(session)
  })

  it('gives random bytes', () => {
    expect(token.random(32)).toHaveLength(32)
    expect(token.random(32)).not.toEqual(token.random(32))
  })

  it('opens its session again when the device has lost it', () => {
    const key = token.generateAesKey({ label: 'lasting' })
    const sealed = token.encrypt(key, utf8('still here'))
    const { native, slot } = raw()
    native.C_CloseAllSessions(slot)
    expect(Buffer.from(token.decrypt(key, sealed)).toString()).toBe('still here')
    native.C_Finalize()
    expect(Buffer.from(token.decrypt(key, sealed)).toString()).toBe('still here')
    const busy = raw()
    busy.native.C_Logout(busy.session)
    expect(Buffer.from(token.decrypt(key, sealed)).toString()).toBe('still here')
    token.destroyKey(key)
  })

  it('does not try a PIN again that was refused when it came back', async () => {
    const changing = await openPkcs11({ module, tokenLabel: 'changing', pin: '1111' })
    const { native } = raw()
    const slot = native
      .C_GetSlotList(true)
      .find((one) => native.C_GetTokenInfo(one).label.trim() === 'changing')
    const session = native.C_OpenSession(slot as Buffer, CKF.serialSession | CKF.rwSession)
    native.C_SetPIN(session, '1111', '2222')
    native.C_CloseAllSessions(slot as Buffer)
    for (let tries = 0; tries < 3; tries += 1)
      expect(() => changing.random(1)).toThrowError(expect.objectContaining({ code: 'pin_wrong' }))
    const after = native.C_OpenSession(slot as Buffer, CKF.serialSession | CKF.rwSession)
    native.C_Login(after, CKU.user, '2222')
    expect(() => changing.random(1)).toThrowError(expect.objectContaining({ code: 'pin_wrong' }))
    changing.close()
  })

  it('names what is wrong', async () => {
    const failing = async (options: Partial<typeof choice> & { slot?: number }) => {
      const error = await openPkcs11({ ...choice, ...options }).then(
        () => 'opened',
        (reason: unknown) => reason,
      )
      return error as { code: string; zh: string; en: string }
    }
    expect(await failing({ module: '/nowhere/lib.so' })).toMatchObject({
      code: 'module_missing',
      zh: expect.stringContaining('/nowhere/lib.so'),
    })
    expect(await failing({ module: '/etc/hostname' })).toMatchObject({ code: 'module_missing' })
    expect(await failing({ tokenLabel: 'nobody' })).toMatchObject({
      code: 'token_missing',
      en: expect.stringContaining('present: '),
    })
    expect(await failing({ slot: 7777 })).toMatchObject({ code: 'token_missing' })
    expect(await failing({ tokenLabel: 'other', pin: '0000' })).toMatchObject({ code: 'pin_wrong' })
    expect(() => token.findKey({ label: 'nothing' })).toThrowError(
      expect.objectContaining({ code: 'key_missing' }),
    )
    token.generateAesKey({ label: 'one', id: '01' })
    token.generateAesKey({ label: 'two', id: '01' })
    expect(() => token.findKey({ id: '01' })).toThrowError(expect.objectContaining({ code: 'key_ambiguous' }))
    for (const key of token.list({ id: '01' })) token.destroyKey(key)
    expect(token.list({ id: '01' })).toEqual([])
  })

  it('says so when pkcs11js is not installed', async () => {
    const { SignerError } = await import('./signer-error.ts')
    const load = async () => {
      throw new SignerError('library_missing')
    }
    await expect(openPkcs11({ ...choice, load })).rejects.toMatchObject({
      code: 'library_missing',
      en: expect.stringContaining('npm install pkcs11js'),
    })
  })

  it('is no longer to be used when it is closed, and others go on', async () => {
    const second = await openPkcs11(choice)
    second.close()
    second.close()
    expect(() => second.random(1)).toThrowError(expect.objectContaining({ code: 'closed' }))
    expect(token.random(4)).toHaveLength(4)
  })
})
