import { isIPv6 } from 'node:net'

/**
 * Whom an address counts for: an IPv4 address itself, and of IPv6 the /64 network, because one line is given
 * 2^64 addresses to choose from (RFC 6177).
 */
export function addressGroup(address: string): string {
  const plain = address.split('%')[0] ?? ''
  if (!isIPv6(plain)) return plain
  // The URL parser writes every spelling in one form (RFC 5952), IPv4 at the end as two groups.
  const written = new URL(`http://[${plain}]/`).hostname.slice(1, -1)
  const [head = '', tail] = written.split('::')
  const first = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups = [...first, ...Array<string>(8 - first.length - last.length).fill('0'), ...last]
  const isMapped = groups.slice(0, 5).every((group) => group === '0') && groups[5] === 'ffff'
  if (isMapped) return groups.slice(6).flatMap(twoBytes).join('.')
  return `${groups.slice(0, 4).join(':')}::/64`
}

function twoBytes(group: string): number[] {
  const value = Number.parseInt(group, 16)
  return [value >> 8, value & 255]
}
