import { BlockList, isIPv4 } from "node:net"

/** What is not reachable on the internet, or not only by its owner: RFC 6890 and the registries that it founded. */
const NOT_PUBLIC: readonly (readonly [network: string, bits: number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  // Link-local, with the metadata service of cloud machines.
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
]

/** Of the global unicast range: documentation, and forms that carry an IPv4 address within (Teredo, 6to4). */
const NOT_PUBLIC_6: readonly (readonly [network: string, bits: number])[] = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
]

const notPublic = new BlockList()
for (const [network, bits] of NOT_PUBLIC) notPublic.addSubnet(network, bits, "ipv4")
for (const [network, bits] of NOT_PUBLIC_6) notPublic.addSubnet(network, bits, "ipv6")

const globalUnicast = new BlockList()
globalUnicast.addSubnet("2000::", 3, "ipv6")

/**
 * Says whether an address belongs to the public internet.
 *
 * Loopback, private, link-local and reserved ranges do not, nor any IPv6 form that hides an IPv4 address.
 *
 * @param address a plain IPv4 or IPv6 address, without brackets
 */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !notPublic.check(address, "ipv4")
  return globalUnicast.check(address, "ipv6") && !notPublic.check(address, "ipv6")
}
