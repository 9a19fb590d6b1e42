/** A conformance server with credentials of every kind, and a client for it. */
import { randomBytes } from 'node:crypto'
import { generateSigner, issueTimestampToken, type SignatureAlgorithm } from '@yinxin/pki'
import { createTestPki } from '../../pades/test-pki.ts'
import {
  type CscCredentialSetup,
  type CscServerOptions,
  startCscServer,
} from '../../../testing/fakes/csc/csc.ts'
import { createCscClient, createCscOauth, cscTokens } from '../src/signers.ts'

export const account = {
  clientId: 'yinxin',
  clientSecret: 'a secret',
  redirectUri: 'https://yinxin.example/csc',
}

const oids: Partial<Record<SignatureAlgorithm, string[]>> = {
  'rsa-pkcs1-sha256': ['1.2.840.113549.1.1.1', '1.2.840.113549.1.1.11', '1.2.840.113549.1.1.10'],
  'ecdsa-p256-sha256': ['1.2.840.10045.4.3.2'],
  'ecdsa-p384-sha384': ['1.2.840.10045.4.3.3'],
}

export async function startCscStage(options: Partial<CscServerOptions> = {}) {
  const pki = createTestPki(new Date())
  function credential(
    id: string,
    algorithm: 'rsa-pkcs1-sha256' | 'ecdsa-p256-sha256' | 'ecdsa-p384-sha384',
    more: Partial<CscCredentialSetup> = {},
  ): CscCredentialSetup {
    const { signer, privateKey } = generateSigner(algorithm)
    return {
      id,
      privateKey,
      certificates: pki.certify(signer, `CSC ${id}`),
      algo: oids[algorithm] ?? [],
      mode: 'explicit',
      scal: '2',
      multisign: 3,
      ...more,
    }
  }
  const tsa = pki.issue('ecdsa-p256-sha256', 'CSC TSA', 'timestamping')
  const server = await startCscServer({
    accounts: [account],
    credentials: [
      credential('rsa', 'rsa-pkcs1-sha256', { pin: '123456' }),
      credential('p256', 'ecdsa-p256-sha256', { pin: '123456', otp: true }),
      credential('p384', 'ecdsa-p384-sha384'),
      credential('loose', 'ecdsa-p256-sha256', { scal: '1' }),
      credential('slow', 'ecdsa-p256-sha256', { ownerAnswersAfter: 2 }),
      credential('oauth', 'ecdsa-p256-sha256', { mode: 'oauth2code' }),
      credential('disabled', 'ecdsa-p256-sha256', { disabled: true }),
    ],
    timestamp: (digest, algorithm, nonce) =>
      issueTimestampToken(
        {
          messageImprint: { algorithm, digest },
          serial: randomBytes(8),
          genTime: new Date(),
          policyOid: '1.3.6.1.4.1.99999.1',
          ...(nonce === undefined ? {} : { nonce }),
        },
        tsa.signer,
        tsa.certificates[0] as Uint8Array,
        tsa.certificates.slice(1),
      ),
    ...options,
  })
  const waits: number[] = []
  const wait = async (ms: number) => {
    waits.push(ms)
  }
  const oauth = createCscOauth({ baseUrl: new URL(server.url).origin, fetch, wait })
  const client = createCscClient({
    baseUrl: server.url,
    fetch,
    wait,
    accessToken: cscTokens(oauth, account, Date.now),
  })
  return { server, client, oauth, wait, waits, pki }
}
