import { toPem } from '@yinxin/pki'
import type { Http } from '#src/http/http.ts'
import type { Ca } from './ca.ts'

/** The authority's public side: anchors for validators, issuer and revocation list as the certificates point to them. */
export function addCaRoutes({ http, ca }: { http: Http; ca: Ca }): void {
  const { rootDer, issuingDer } = ca.anchors()
  const kept = { 'cache-control': 'public, max-age=3600' }

  for (const [name, der, what] of [
    ['root', rootDer, 'root certificate'],
    ['issuing', issuingDer, 'certificate of the issuing CA'],
  ] as const) {
    http.route({
      method: 'GET',
      url: `/ca/${name}.pem`,
      summary: `The ${what} in PEM.`,
      access: 'public',
      answer: 'raw',
      produces: ['application/x-pem-file'],
      handle: async () => ({
        contentType: 'application/x-pem-file',
        body: toPem(der, 'CERTIFICATE'),
        headers: kept,
      }),
    })
    http.route({
      method: 'GET',
      url: `/ca/${name}.cer`,
      summary: `The ${what} in DER.`,
      access: 'public',
      answer: 'raw',
      produces: ['application/pkix-cert'],
      handle: async () => ({ contentType: 'application/pkix-cert', body: der, headers: kept }),
    })
  }

  http.route({
    method: 'GET',
    url: '/ca/issuing.crl',
    summary: 'The current revocation list of the issuing CA in DER.',
    access: 'public',
    answer: 'raw',
    produces: ['application/pkix-crl'],
    rateLimit: { max: 600, perMs: 60_000 },
    handle: async () => ({
      contentType: 'application/pkix-crl',
      body: await ca.crl(),
      headers: { 'cache-control': 'public, max-age=60' },
    }),
  })
}
