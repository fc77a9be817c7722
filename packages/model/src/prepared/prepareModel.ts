import { type Format, LAYOUT_VERSION } from "@consilium/kernels"
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { availableParallelism } from "node:os"
import { basename, join, resolve } from "node:path"
import { openCheckpoint } from "../checkpoint/openCheckpoint.ts"
import { loadModelConfig } from "../families/loadModelConfig.ts"
import { checksumOf, checksumText, type Manifest, MANIFEST_FILE, type ManifestPart, SLABS_FILE } from "./Manifest.ts"
import { type DenseFormat, formatsName, type ModelFormats, modelFormats } from "./ModelFormats.ts"
import { openPreparedModel } from "./openPreparedModel.ts"
import { alignPart, createPackTable, createPartPacker, partOffsets } from "./packParts.ts"
import type { PackStart } from "./packWorker.ts"
import { planModel } from "./planModel.ts"
import { PreparedModelError } from "./PreparedModelError.ts"
import { removeAbandoned } from "./removeAbandoned.ts"
import { type StoredPart, storedParts } from "./storedParts.ts"

/** A slab crosses no segment of the arena. */
const SEGMENT_BYTES = 2 ** 31
/** Threads that pack: each has a part in memory, of the vocabulary up to some GB. */
const MAX_PACKERS = 8
/** Bytes that are worth a thread of their own: it takes some 100 ms to come. */
const BYTES_PER_PACKER = 2 ** 24

export interface PrepareOptions {
  readonly sourceDir: string
  readonly format: Format
  /** Says something with `int4` only; `int8` unless given. */
  readonly dense?: DenseFormat
  readonly cacheDir: string
  /** Called after each part with bytes written so far and in all. */
  readonly onProgress: (doneBytes: number, totalBytes: number) => void
  /** Stops between two parts; nothing is left behind. */
  readonly signal?: AbortSignal
}

/** Returns where a checkpoint's prepared form lies, whether it is there or not. @throws CheckpointError on a directory without a checkpoint */
export function preparedDir({
  sourceDir,
  format,
  dense,
  cacheDir,
}: Pick<PrepareOptions, "sourceDir" | "format" | "dense" | "cacheDir">): string {
  const formats = formatsName(modelFormats(format, dense))
  return join(cacheDir, `${modelName(sourceDir)}-${fingerprintOf(sourceDir)}-${formats}`)
}

/** Returns the prepared form of a checkpoint, made now if it is not in the cache yet, or damaged there. @throws as `prepareModel` */
export async function ensurePrepared(
  options: PrepareOptions,
): Promise<{ readonly dir: string; readonly wasPrepared: boolean }> {
  const dir = preparedDir(options)
  if (isPrepared(dir, options.sourceDir)) return { dir, wasPrepared: true }
  return { dir: await prepareModel(options), wasPrepared: false }
}

/**
 * Packs a checkpoint for one format into the cache and returns its directory.
 *
 * All or nothing: it is written beside its place and renamed at the end. Each thread that packs has one part at a time in memory.
 *
 * @throws CheckpointError on a damaged checkpoint, PreparedModelError when the disk is too small or the cache cannot be written
 */
export async function prepareModel(options: PrepareOptions): Promise<string> {
  const { sourceDir, cacheDir, signal } = options
  const formats = modelFormats(options.format, options.dense)
  const dir = preparedDir(options)
  const { family, config } = loadModelConfig(sourceDir)
  const checkpoint = openCheckpoint(sourceDir)
  const partial = `${dir}.partial-${process.pid}-${crypto.randomUUID().slice(0, 8)}`
  try {
    const parts = storedParts(planModel(checkpoint, family, config, formats))
    const totalBytes = parts.reduce((sum, { bytes }) => sum + alignPart(bytes), 0)
    checkPartSizes(parts, options)
    makeDirectory(cacheDir)
    removeAbandoned(cacheDir)
    checkFreeSpace(cacheDir, totalBytes)
    makeDirectory(partial)

    const written = await writeParts(join(partial, SLABS_FILE), parts, options, formats)
    signal?.throwIfAborted()
    const manifest: Manifest = {
      layoutVersion: LAYOUT_VERSION,
      ...formats,
      model: modelName(sourceDir),
      fingerprint: fingerprintOf(sourceDir),
      parts: written,
    }
    writeFileSync(join(partial, MANIFEST_FILE), JSON.stringify(manifest), { flush: true })
    moveIntoPlace(partial, dir, sourceDir)
    return dir
  } catch (error) {
    throw asDiskError(error, cacheDir)
  } finally {
    if (existsSync(partial)) rmSync(partial, { recursive: true, force: true })
    checkpoint.close()
  }
}

/** Packs all parts into a new file: this thread, and workers where there is much to do. */
async function writeParts(
  path: string,
  parts: readonly StoredPart[],
  { sourceDir, onProgress, signal }: PrepareOptions,
  formats: ModelFormats,
): Promise<ManifestPart[]> {
  const totalBytes = parts.reduce((sum, { bytes }) => sum + alignPart(bytes), 0)
  const handle = openSync(path, "wx")
  const table = createPackTable(parts.length)
  const packer = createPartPacker(parts, handle, table)
  const packed = startWorkers({ sourceDir, formats, handle, table }, totalBytes)
  const tellProgress = (): void => {
    const doneBytes = parts.reduce((sum, { bytes }, i) => sum + table.isDone[i]! * alignPart(bytes), 0)
    onProgress(doneBytes, totalBytes)
  }
  let breathedAt = performance.now()
  try {
    while (packer.packNext()) {
      signal?.throwIfAborted()
      tellProgress()
      // Lets a progress bar paint and an abort arrive.
      if (performance.now() - breathedAt < 50) continue
      await new Promise((done) => setImmediate(done))
      signal?.throwIfAborted()
      breathedAt = performance.now()
    }
    await packed
    for (const [i, isDone] of table.isDone.entries()) if (isDone === 0) packer.pack(i)
    tellProgress()
    fsyncSync(handle)
    const offsets = partOffsets(parts)
    return parts.map(({ bytes }, i) => ({
      offset: offsets[i]!,
      bytes,
      checksum: checksumText(table.checksums[i]!),
    }))
  } finally {
    Atomics.store(table.taken, 0, parts.length)
    await packed
    closeSync(handle)
  }
}

/** Starts the workers that help; resolves when the last has ended, whether it did anything or failed. */
async function startWorkers(start: PackStart, totalBytes: number): Promise<void> {
  const count = Math.min(availableParallelism(), MAX_PACKERS, Math.ceil(totalBytes / BYTES_PER_PACKER)) - 1
  await Promise.all(
    Array.from({ length: Math.max(0, count) }, () => {
      const worker = new Worker(new URL("./packWorker.ts", import.meta.url).href)
      const ended = new Promise((resolve) => worker.addEventListener("close", resolve))
      worker.addEventListener("error", () => {})
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
      worker.postMessage(start)
      return ended
    }),
  )
}

/** Two at once do no harm: what is there already, and whole, has the same bytes. */
function moveIntoPlace(partial: string, dir: string, sourceDir: string): void {
  if (isPrepared(dir, sourceDir)) return
  rmSync(dir, { recursive: true, force: true })
  try {
    renameSync(partial, dir)
  } catch (error) {
    if (!isPrepared(dir, sourceDir)) throw error
  }
}

/** Whether a prepared model is there and opens; its slabs are verified as they are read. */
function isPrepared(dir: string, sourceDir: string): boolean {
  if (!existsSync(join(dir, MANIFEST_FILE))) return false
  try {
    openPreparedModel(dir, sourceDir).close()
    return true
  } catch (error) {
    if (error instanceof PreparedModelError) return false
    throw error
  }
}

function checkPartSizes(parts: readonly StoredPart[], { sourceDir, format }: PrepareOptions): void {
  const tooLarge = parts.find(({ bytes }) => bytes > SEGMENT_BYTES)
  if (tooLarge === undefined) return
  throw new PreparedModelError(
    `${sourceDir}: ${tooLarge.name}: expected at most ${SEGMENT_BYTES} bytes, found ${tooLarge.bytes} as ${format}: choose a smaller --format`,
  )
}

function checkFreeSpace(dir: string, neededBytes: number): void {
  const { bavail, bsize } = statfsSync(dir)
  const freeBytes = bavail * bsize
  if (freeBytes >= neededBytes) return
  const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`
  throw new PreparedModelError(
    `${dir}: expected ${mib(neededBytes)} free, found ${mib(freeBytes)}: free some, or choose another --cache-dir`,
  )
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true })
  } catch (error) {
    throw new PreparedModelError(
      `${path}: expected a directory that can be written, found ${(error as NodeJS.ErrnoException).code}`,
    )
  }
}

function asDiskError(error: unknown, cacheDir: string): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG") {
    return new PreparedModelError(`${cacheDir}: the disk is full (${code}): free some, or choose another --cache-dir`)
  }
  return error
}

/** Hashes config and the weight files' names, sizes and times: quick, and different whenever the checkpoint is. */
function fingerprintOf(sourceDir: string): string {
  const { config } = loadModelConfig(sourceDir)
  const files = readdirSync(sourceDir)
    .filter((name) => name.endsWith(".safetensors") || name.endsWith(".safetensors.index.json"))
    .sort()
    .map((name) => {
      // A link that leads nowhere is told of when the checkpoint is opened.
      const status = statSync(join(sourceDir, name), { throwIfNoEntry: false })
      return [name, status?.size, status?.mtimeMs]
    })
  const text = JSON.stringify([
    LAYOUT_VERSION,
    resolve(sourceDir),
    readFileSync(join(sourceDir, "config.json"), "utf8"),
    config.family,
    files,
  ])
  return checksumText(checksumOf(new TextEncoder().encode(text)))
}

function modelName(sourceDir: string): string {
  return basename(resolve(sourceDir)).replaceAll(/[^\w.-]/g, "_")
}
