import {
  closeSync,
  createReadStream,
  existsSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs"
import { join } from "node:path"
import { HubError } from "./HubError.ts"

export interface DownloadOptions {
  /** `organisation/name`. */
  readonly name: string
  /** Directory that receives the files. */
  readonly dir: string
  /** Base URL of the hub. */
  readonly endpoint: string
  readonly onProgress: (file: string, doneBytes: number, totalBytes: number) => void
  readonly signal?: AbortSignal
}

/** A file of the hub's listing. */
interface HubFile {
  readonly path: string
  readonly bytes: number
  /** SHA-256, for files that the hub keeps by it. */
  readonly sha256: string | undefined
}

const WANTED =
  /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|chat_template|model\.safetensors\.index)\.json$|^chat_template\.jinja$|^model[\w.-]*\.safetensors$/

/** Returns whether a model setting names a model of a hub rather than a directory. */
export function isHubName(name: string): boolean {
  return /^[\w][\w.-]*\/[\w][\w.-]*$/.test(name) && !name.includes("..")
}

/**
 * Downloads what serving needs of a hub's model: resumes what was cut, verifies sizes and SHA-256, and keeps what is already there.
 *
 * @throws HubError in one line; without a network it names the local alternative
 */
export async function downloadModel({ name, dir, endpoint, onProgress, signal }: DownloadOptions): Promise<void> {
  const request = createRequest(name, endpoint, signal)
  const files = await listFiles(request, name)
  mkdirSync(dir, { recursive: true })
  for (const file of files) {
    const path = join(dir, file.path)
    if (existsSync(path) && statSync(path).size === file.bytes) continue
    await downloadFile(request, name, file, path, onProgress)
  }
}

type Request = (path: string, headers?: Readonly<Record<string, string>>) => Promise<Response>

function createRequest(name: string, endpoint: string, signal: AbortSignal | undefined): Request {
  return async (path, headers = {}) => {
    let response: Response
    try {
      response = await fetch(`${endpoint}${path}`, { headers, ...(signal === undefined ? {} : { signal }) })
    } catch (error) {
      const { code, message } = error as Error & { code?: string }
      throw new HubError(
        `${name}: the hub cannot be reached (${code ?? message}): download the checkpoint where there is a network, and serve it with --model <directory>`,
      )
    }
    if (response.status === 401 || response.status === 403)
      throw new HubError(
        `${name}: the hub does not give it to everyone (${response.status}): download it yourself, and serve it with --model <directory>`,
      )
    if (response.status === 404) throw new HubError(`${name}: the hub has no such model or file`)
    if (!response.ok)
      throw new HubError(
        `${name}: the hub answered ${response.status}: try again, or serve a local checkpoint with --model <directory>`,
      )
    return response
  }
}

async function listFiles(request: Request, name: string): Promise<HubFile[]> {
  const response = await request(`/api/models/${name}/tree/main`)
  const listing: unknown = await response.json().catch(() => undefined)
  if (!Array.isArray(listing))
    throw new HubError(`${name}: expected a list of files from the hub, found something else`)
  const files = (listing as { path?: unknown; size?: unknown; lfs?: { oid?: unknown } }[]).flatMap(
    ({ path, size, lfs }): HubFile[] => {
      // Names come from a peer: only plain names that we know go any further.
      if (typeof path !== "string" || !WANTED.test(path) || !Number.isSafeInteger(size)) return []
      const oid = typeof lfs?.oid === "string" && /^[0-9a-f]{64}$/.test(lfs.oid) ? lfs.oid : undefined
      return [{ path, bytes: size as number, sha256: oid }]
    },
  )
  if (!files.some(({ path }) => path.endsWith(".safetensors")))
    throw new HubError(`${name}: the hub has no safetensors of it`)
  return files
}

async function downloadFile(
  request: Request,
  name: string,
  file: HubFile,
  path: string,
  onProgress: DownloadOptions["onProgress"],
): Promise<void> {
  const partial = `${path}.partial`
  const present = existsSync(partial) ? statSync(partial).size : 0
  // One that is whole was only not verified yet; one that is longer is of another version.
  if (present !== file.bytes) await fetchRest(request, name, file, { partial, present, onProgress })
  const found = file.sha256 === undefined ? undefined : await sha256Of(partial)
  if (found !== file.sha256) {
    rmSync(partial)
    throw new HubError(
      `${name}: ${file.path}: expected SHA-256 ${file.sha256}, found ${found}: it was removed, run the command again`,
    )
  }
  renameSync(partial, path)
}

/** Writes what is missing of a partial file. @throws HubError where the connection ends early: what came is kept */
async function fetchRest(
  request: Request,
  name: string,
  file: HubFile,
  to: { partial: string; present: number; onProgress: DownloadOptions["onProgress"] },
): Promise<void> {
  const start = to.present < file.bytes ? to.present : 0
  const response = await request(`/${name}/resolve/main/${file.path}`, start > 0 ? { range: `bytes=${start}-` } : {})
  // A server that does not resume sends everything again.
  const from = response.status === 206 ? start : 0
  const output = openSync(to.partial, from > 0 ? "r+" : "w")
  let done = from
  let cause = ""
  try {
    for await (const bytes of readable(response, (error) => (cause = ` (${error})`))) {
      if (done + bytes.length > file.bytes)
        throw new HubError(`${name}: ${file.path}: expected ${file.bytes} bytes, the hub sends more`)
      for (let at = 0; at < bytes.length;) at += writeSync(output, bytes, at, bytes.length - at, done + at)
      done += bytes.length
      to.onProgress(file.path, done, file.bytes)
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== "ENOSPC" && code !== "EDQUOT") throw error
    throw new HubError(`${name}: ${to.partial}: the disk is full (${code}): free some, and run the command again`)
  } finally {
    closeSync(output)
  }
  if (done !== file.bytes)
    throw new HubError(
      `${name}: ${file.path}: expected ${file.bytes} bytes, found ${done}${cause}: run the command again, it goes on from there`,
    )
}

/** A response's bytes, ending where the connection breaks; an abort stays an abort. */
async function* readable(response: Response, onBreak: (code: string) => void): AsyncGenerator<Uint8Array> {
  try {
    yield* response.body ?? []
  } catch (error) {
    const { code, name, message } = error as NodeJS.ErrnoException
    if (name === "AbortError") throw error
    onBreak(code ?? message)
  }
}

async function sha256Of(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256")
  for await (const bytes of createReadStream(path, { highWaterMark: 2 ** 20 })) hasher.update(bytes as Uint8Array)
  return hasher.digest("hex")
}
