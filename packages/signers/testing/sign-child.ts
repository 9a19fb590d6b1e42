/** Another process that finishes what a first one prepared: reads JSON, signs with a token, writes the CMS. */
import { signPrepared } from '../../pades/src/pades.ts'
import { openPkcs11, pkcs11Signer } from '../src/signers.ts'

const chunks: Buffer[] = []
for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
const { digest, digestAlgorithm, module, tokenLabel, pin, label, algorithm, chain } = JSON.parse(
  Buffer.concat(chunks).toString('utf8'),
)
const token = await openPkcs11({ module, tokenLabel, pin })
const signer = pkcs11Signer(token, { label, algorithm })
const cms = await signPrepared(
  { digest: new Uint8Array(Buffer.from(digest, 'base64')), digestAlgorithm },
  { signer, certificates: (chain as string[]).map((der) => new Uint8Array(Buffer.from(der, 'base64'))) },
)
token.close()
process.stdout.write(Buffer.from(cms).toString('base64'))
