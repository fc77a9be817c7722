import { downloadModel, ensurePrepared, formatsName, isHubName, modelFormats } from "@consilium/model"
import { existsSync, statSync } from "node:fs"
import { basename, join, resolve } from "node:path"
import { SettingError } from "../settings/SettingError.ts"
import type { Settings } from "../settings/Settings.ts"
import { UsageError } from "./Command.ts"
import { progressBar, readableBytes } from "./progressBar.ts"

const EMBEDDED = "consilium-mini"
const EMBEDDED_DIR = join(import.meta.dir, "../../../../models", EMBEDDED)

/** A checkpoint on this machine, and the id that clients name it by. */
export interface LocalModel {
  readonly modelId: string
  readonly dir: string
}

/** The embedded model, or a directory. @throws UsageError on a name that is no hub's either */
function findCheckpoint(name: string): LocalModel | undefined {
  if (name === EMBEDDED) return { modelId: EMBEDDED, dir: EMBEDDED_DIR }
  const dir = resolve(name)
  if (existsSync(dir)) {
    if (!statSync(dir).isDirectory()) throw new UsageError(`${name}: expected a checkpoint directory, found a file`)
    return { modelId: basename(dir), dir }
  }
  if (!isHubName(name))
    throw new UsageError(
      `${name}: expected a checkpoint directory, or a hub name such as organisation/model; found no such directory`,
    )
  return undefined
}

const hubDir = (name: string, cacheDir: string): string => join(cacheDir, "hub", name.replace("/", "--"))

/** Finds the checkpoint that a model setting names, and downloads nothing; undefined for a hub's that was not downloaded before. @throws UsageError on no name of a model */
export function findModel(name: string, cacheDir: string): LocalModel | undefined {
  const dir = hubDir(name, cacheDir)
  return findCheckpoint(name) ?? (existsSync(dir) ? { modelId: name, dir } : undefined)
}

/**
 * Finds the checkpoint that a model setting names: the embedded one, a directory, or a model of a hub, which is downloaded.
 *
 * @throws UsageError where there is none, HubError where it cannot be downloaded
 */
export async function locateModel(name: string, cacheDir: string): Promise<LocalModel> {
  const found = findCheckpoint(name)
  if (found !== undefined) return found
  const target = hubDir(name, cacheDir)
  console.error(`${name} is no directory here: downloading it into ${target}`)
  const endpoint = process.env.HF_ENDPOINT || "https://huggingface.co"
  let current = ""
  let bar = progressBar("")
  const onProgress = (file: string, done: number, total: number): void => {
    if (file !== current) {
      bar.end()
      current = file
      bar = progressBar(`${file} (${readableBytes(total)})`)
    }
    bar.update(done, total)
  }
  try {
    await downloadModel({ name, dir: target, endpoint, onProgress })
  } finally {
    bar.end()
  }
  return { modelId: name, dir: target }
}

/**
 * Returns the prepared form of a checkpoint, made now, with a progress bar, where there is none. Ctrl-C leaves nothing half-written.
 *
 * @throws SettingError where `dense` asks for 4 bits beside a format that has none
 */
export async function prepare(
  { dir }: LocalModel,
  { format, dense, "cache-dir": cacheDir }: Pick<Settings, "format" | "dense" | "cache-dir">,
): Promise<{ dir: string; wasPrepared: boolean }> {
  if (dense === "int4" && format !== "int4")
    throw new SettingError(`dense: int4 goes with --format int4, found --format ${format}: leave --dense out`)
  const bar = progressBar(`preparing ${basename(dir)} for ${formatsName(modelFormats(format, dense))}`)
  const aborting = new AbortController()
  const abort = (): void => aborting.abort(new UsageError("interrupted: nothing was kept"))
  process.once("SIGINT", abort)
  process.once("SIGTERM", abort)
  try {
    return await ensurePrepared({
      sourceDir: dir,
      format,
      dense,
      cacheDir,
      signal: aborting.signal,
      onProgress: bar.update,
    })
  } finally {
    bar.end()
    process.off("SIGINT", abort)
    process.off("SIGTERM", abort)
  }
}
