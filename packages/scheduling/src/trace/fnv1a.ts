/** Where a checksum starts. */
export const FNV_START = 0x811c9dc5

/**
 * Carries a checksum of 32 bits on over some bytes: FNV-1a, which one changed byte always changes.
 *
 * @see RFC 9923
 */
export function fnv1a(checksum: number, bytes: Uint8Array): number {
  let hash = checksum
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  return hash >>> 0
}
