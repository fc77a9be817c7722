import { existsSync, readdirSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"

const FOLDER = "versions"
const DAY_MS = 86_400_000

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
  return join(preparedDir, FOLDER, `${name}.slab`)
}

/**
 * Removes the files of versions that are none of `kept`, and drafts that nobody ended; returns how many.
 *
 * Those of the last day stay: somebody may just bring them.
 */
export function pruneVersions(preparedDir: string, kept: ReadonlySet<string>, nowMs: number): number {
  const folder = join(preparedDir, FOLDER)
  if (!existsSync(folder)) return 0
  const left = readdirSync(folder).filter((file) => {
    const [, name, draft] = /^(\d{1,6}-\d{1,6}-[0-9a-f]{16})\.slab(\.[\w-]+\.draft)?$/.exec(file) ?? []
    if (name === undefined || (draft === undefined && kept.has(name))) return false
    return nowMs - statSync(join(folder, file)).mtimeMs > DAY_MS
  })
  for (const file of left) rmSync(join(folder, file), { force: true })
  return left.length
}
