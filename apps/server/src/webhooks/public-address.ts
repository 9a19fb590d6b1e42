import { BlockList, isIP } from 'node:net'

/** Addresses that are no place on the public internet (IANA special-purpose registries, RFC 6890). */
const special = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const) {
  special.addSubnet(network, prefix, 'ipv4')
}
// Inside 2000::/3: protocol assignments with Teredo, documentation, and 6to4, which may wrap an inner IPv4 address.
special.addSubnet('2001::', 23, 'ipv6')
special.addSubnet('2001:db8::', 32, 'ipv6')
special.addSubnet('2002::', 16, 'ipv6')
special.addSubnet('3fff::', 20, 'ipv6')

/** Of IPv6 only global unicast is public; that leaves out loopback, link-local, mapped and translated addresses. */
const globalUnicast = new BlockList()
globalUnicast.addSubnet('2000::', 3, 'ipv6')

/** Whether an IP address is a place on the public internet. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !special.check(address, 'ipv4')
    case 6:
      return globalUnicast.check(address, 'ipv6') && !special.check(address, 'ipv6')
    default:
      return false
  }
}

/** This machine and private networks (RFC 1918, RFC 4193). Not link-local: there clouds keep their credentials. */
const inner = new BlockList()
inner.addSubnet('127.0.0.0', 8, 'ipv4')
inner.addSubnet('10.0.0.0', 8, 'ipv4')
inner.addSubnet('172.16.0.0', 12, 'ipv4')
inner.addSubnet('192.168.0.0', 16, 'ipv4')
inner.addAddress('::1', 'ipv6')
inner.addSubnet('fc00::', 7, 'ipv6')

/** Whether an integrator may be developing there: a sandbox may call it, production never. */
export function isInnerAddress(address: string): boolean {
  const family = isIP(address)
  return family !== 0 && inner.check(address, family === 4 ? 'ipv4' : 'ipv6')
}
