import { LAYOUT_VERSION } from "@consilium/kernels"
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { type Manifest, MANIFEST_FILE, SLABS_FILE } from "./Manifest.ts"
import { formatsName } from "./ModelFormats.ts"
import { preparedName } from "./preparedName.ts"
import { removeAbandoned } from "./removeAbandoned.ts"

/** One prepared model in the cache. */
export interface CacheEntry {
  readonly dir: string
  readonly model: string
  /** As `formatsName` gives it, or `unknown`. */
  readonly format: string
  /** Of all its files: versions of experts too. */
  readonly bytes: number
  readonly lastUsed: Date
  /** Made by another version, or damaged: it is never read. */
  readonly isStale: boolean
}

/** Lists the prepared models of a cache directory, most recently used first. */
export function listCache(cacheDir: string): CacheEntry[] {
  if (!existsSync(cacheDir)) return []
  return readdirSync(cacheDir)
    .filter((name) => isWhole(name))
    .map((name) => join(cacheDir, name))
    .filter((dir) => existsSync(join(dir, MANIFEST_FILE)))
    .map(readEntry)
    .sort((a, b) => b.lastUsed.getTime() - a.lastUsed.getTime())
}

/**
 * Removes prepared models: stale ones always, others when `isUnwanted` says so; and what killed prepares left.
 *
 * Returns what was removed.
 */
export function pruneCache(cacheDir: string, isUnwanted: (entry: CacheEntry) => boolean = () => false): CacheEntry[] {
  removeAbandoned(cacheDir)
  const removed = listCache(cacheDir).filter((entry) => entry.isStale || isUnwanted(entry))
  for (const { dir } of removed) rmSync(dir, { recursive: true, force: true })
  return removed
}

function isWhole(name: string): boolean {
  const parsed = preparedName(name)
  return parsed !== undefined && parsed.partialOf === undefined
}

function readEntry(dir: string): CacheEntry {
  const path = join(dir, MANIFEST_FILE)
  const slabs = join(dir, SLABS_FILE)
  const hasSlabs = existsSync(slabs) && statSync(slabs).size > 0
  const bytes = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0)
  const lastUsed = statSync(path).mtime
  try {
    const { model, layoutVersion, ...formats } = JSON.parse(readFileSync(path, "utf8")) as Manifest
    const format = formatsName(formats)
    return { dir, model, format, bytes, lastUsed, isStale: layoutVersion !== LAYOUT_VERSION || !hasSlabs }
  } catch {
    return { dir, model: "unknown", format: "unknown", bytes, lastUsed, isStale: true }
  }
}
