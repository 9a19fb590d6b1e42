/** What an import is judged by, as whoever orders it gives it: read before anything is sent. */
import { parseVkey } from '@yinxin/evidence'
import { parseCertificate, parsePem } from '@yinxin/pki'
import { refuse } from './errors.ts'

/** @throws `import_anchor_bad` */
export function requireAnchors({
  trustPem,
  logKeys,
}: {
  trustPem: readonly string[]
  logKeys: readonly string[]
}): void {
  for (const pem of trustPem)
    try {
      const found = parsePem(pem, 'CERTIFICATE')
      if (found.length === 0) throw new Error('no certificate')
      found.forEach(parseCertificate)
    } catch (error) {
      throw refuse('import_anchor_bad', { what: 'PEM' }, error)
    }
  for (const key of logKeys)
    try {
      parseVkey(key)
    } catch (error) {
      throw refuse('import_anchor_bad', { what: 'vkey' }, error)
    }
}
