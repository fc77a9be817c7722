/** 48 bits: enough to tell a service's keys apart, and nothing to call it with. */
const HEX_DIGITS = 12

/** Returns the name of an API key: the beginning of its SHA-256, never the key. No key has no name. */
export function keyIdOf(key: string): string {
  return key === "" ? "" : new Bun.CryptoHasher("sha256").update(key).digest("hex").slice(0, HEX_DIGITS)
}
