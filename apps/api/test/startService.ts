import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** The real service as a child process, on a free port, with a cache of its own. */
export interface RunningService {
  readonly url: string
  readonly pid: number
  /** What it wrote to standard error until now. */
  log(): string
  /** Sends SIGTERM and returns the exit code. */
  stop(): Promise<number>
  /** Stops it and removes its cache. */
  close(): Promise<void>
}

export interface ServicePlace {
  /** Where it runs: its `consilium.toml` is there. */
  readonly cwd?: string
  readonly environment?: Readonly<Record<string, string>>
}

/** Starts the service and waits until it is healthy. @throws Error with its last words when it ends too soon */
export async function startService(
  args: readonly string[],
  { cwd, environment = {} }: ServicePlace = {},
): Promise<RunningService> {
  const cacheDir = mkdtempSync(join(tmpdir(), "consilium-service-"))
  const main = join(import.meta.dir, "../src/main.ts")
  const port = freePort()
  const child = Bun.spawn([process.execPath, main, "serve", "--port", String(port), "--cache-dir", cacheDir, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: process.env.PATH ?? "", HOME: cacheDir, ...environment },
    ...(cwd === undefined ? {} : { cwd }),
  })
  let stderr = ""
  const reading = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) stderr += text
  })()
  const stop = async (): Promise<number> => {
    child.kill("SIGTERM")
    return child.exited
  }
  const url = `http://127.0.0.1:${port}`
  for (;;) {
    if (child.exitCode !== null) {
      await reading
      rmSync(cacheDir, { recursive: true, force: true })
      throw new Error(`the service ended with code ${child.exitCode}: ${stderr}`)
    }
    const response = await fetch(`${url}/health`).catch(() => undefined)
    if (response?.status === 200) break
    await Bun.sleep(20)
  }
  return {
    url,
    pid: child.pid,
    log: () => stderr,
    stop,
    async close() {
      await stop()
      rmSync(cacheDir, { recursive: true, force: true })
    },
  }
}

/** Runs `body` with a service, and closes it afterwards. */
export async function withService<T>(
  args: readonly string[],
  body: (service: RunningService) => Promise<T>,
): Promise<T> {
  const service = await startService(args)
  try {
    return await body(service)
  } finally {
    await service.close()
  }
}

export function freePort(): number {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() })
  const { port } = server
  server.stop(true)
  return port!
}
