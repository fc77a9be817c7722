import { join } from "node:path"

/** A version of an expert: whose it is, and the checksum of its slab. */
export interface ExpertVersion {
  readonly layer: number
  readonly expert: number
  /** xxHash3 (64 bits), 16 hexadecimal digits. */
  readonly checksum: string
}

/** Writes a version's name: `3-17-00c0ffee00c0ffee`. */
export function expertVersion({ layer, expert, checksum }: ExpertVersion): string {
  return `${layer}-${expert}-${checksum}`
}

/** Reads a version's name; undefined where it is none: names come from files and peers. */
export function parseExpertVersion(name: string): ExpertVersion | undefined {
  const [, layer, expert, checksum] = /^(\d{1,6})-(\d{1,6})-([0-9a-f]{16})$/.exec(name) ?? []
  if (layer === undefined || expert === undefined || checksum === undefined) return undefined
  return { layer: Number(layer), expert: Number(expert), checksum }
}

/** Returns where a version's slab lies, beside the prepared model. */
export function versionPath(preparedDir: string, name: string): string {
  return join(preparedDir, "versions", `${name}.slab`)
}
