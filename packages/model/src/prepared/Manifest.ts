import { type Format, LAYOUT_VERSION } from "@consilium/kernels"
import type { ModelFormats } from "./ModelFormats.ts"
import { PreparedModelError } from "./PreparedModelError.ts"

/** Where one part lies in `slabs.bin`. */
export interface ManifestPart {
  readonly offset: number
  readonly bytes: number
  /** xxHash3 of 64 bits, 16 hexadecimal digits. */
  readonly checksum: string
}

/** What is written beside `slabs.bin`. Shapes are not in it: they follow from the checkpoint's own config. */
export interface Manifest extends ModelFormats {
  readonly layoutVersion: number
  /** The checkpoint's directory name, for people. */
  readonly model: string
  /** Hash of the checkpoint it was made from. */
  readonly fingerprint: string
  readonly parts: readonly ManifestPart[]
}

export const MANIFEST_FILE = "manifest.json"
export const SLABS_FILE = "slabs.bin"
/** Slabs begin on pages, so that they can be read directly. */
export const PART_ALIGNMENT = 4096

/** Verifies a manifest's form: nothing read from a file is trusted. @throws PreparedModelError */
export function parseManifest(path: string, text: string): Manifest {
  const fail = (what: string): never => {
    throw new PreparedModelError(
      `${path}: ${what}; remove its directory, or run consilium cache prune, and start again`,
    )
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return fail("expected JSON, found something else")
  }
  const { layoutVersion, format, denseFormat, model, fingerprint, parts } = (value ?? {}) as Partial<
    Record<keyof Manifest, unknown>
  >
  if (layoutVersion !== LAYOUT_VERSION)
    return fail(`expected layoutVersion ${LAYOUT_VERSION}, found ${String(layoutVersion)}`)
  if (!isFormat(format)) return fail(`expected a format, found ${String(format)}`)
  if (!isFormat(denseFormat)) return fail(`expected a denseFormat, found ${String(denseFormat)}`)
  if (typeof model !== "string" || typeof fingerprint !== "string") return fail("expected model and fingerprint")
  if (!Array.isArray(parts) || !parts.every(isPart)) return fail("expected parts of offset, bytes and checksum")
  return { layoutVersion, format, denseFormat, model, fingerprint, parts }
}

function isFormat(value: unknown): value is Format {
  return value === "f32" || value === "int8" || value === "int4"
}

function isPart(value: unknown): value is ManifestPart {
  const { offset, bytes, checksum } = (value ?? {}) as Partial<Record<keyof ManifestPart, unknown>>
  return (
    Number.isSafeInteger(offset) &&
    (offset as number) >= 0 &&
    (offset as number) % PART_ALIGNMENT === 0 &&
    Number.isSafeInteger(bytes) &&
    (bytes as number) > 0 &&
    typeof checksum === "string" &&
    /^[0-9a-f]{16}$/.test(checksum)
  )
}

/** Returns the xxHash3 (64 bits) of some bytes. */
export function checksumOf(bytes: Uint8Array): bigint {
  return Bun.hash.xxHash3(bytes)
}

/** Writes a checksum as manifests have it. */
export function checksumText(checksum: bigint): string {
  return checksum.toString(16).padStart(16, "0")
}
