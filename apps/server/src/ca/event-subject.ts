import type { NameAttributes } from '@yinxin/pki'

/** Who signs, as verified by the identity check. */
export interface EventIdentity {
  kind: 'person' | 'corp'
  /** The person's or the company's name. */
  name: string
  /** Of a person: a masked number or a commitment, never the number itself. Of a company: its credit code. */
  identifier?: string
  /** The person who acts for a company (经办人); absent when its seal was set by prior grant. */
  memberName?: string
}

/** An identity number of 18 digits (GB 11643), which has no place in a public certificate. */
const fullIdNumber = /^\d{17}[\dXx]$/

/**
 * The subject of an event certificate.
 *
 * - person: `C=CN, CN=name, serialNumber=identifier`
 * - company: `C=CN, O=company, organizationIdentifier=NTRCN-credit code, OU=经办人 name, CN=company`
 *   (the identifier's form is that of ETSI EN 319 412-1 §5.1.4). The acting member is an organisational unit: GN and
 *   SN would have to take Chinese names apart.
 */
export function eventSubject(identity: EventIdentity): NameAttributes {
  if (identity.kind === 'person') {
    if (identity.identifier !== undefined && fullIdNumber.test(identity.identifier)) {
      throw new Error('a full identity number must not go into a certificate')
    }
    return [
      ['C', 'CN'],
      ['CN', identity.name],
      ...(identity.identifier === undefined
        ? []
        : ([['serialNumber', printable(identity.identifier)]] as const)),
    ]
  }
  return [
    ['C', 'CN'],
    ['O', identity.name],
    ...(identity.identifier === undefined
      ? []
      : ([['organizationIdentifier', registered(identity.identifier)]] as const)),
    ...(identity.memberName === undefined ? [] : ([['OU', `经办人 ${identity.memberName}`]] as const)),
    ['CN', identity.name],
  ]
}

/** A credit code (GB 32100) is a number of the national trade register; anything else is written as it is. */
const registered = (identifier: string) =>
  /^[0-9A-Z]{18}$/.test(identifier) ? `NTRCN-${identifier}` : identifier

/** serialNumber is a PrintableString, which has no asterisk: `110***1234` becomes `110---1234`. */
const printable = (text: string) => text.replaceAll('*', '-')
