import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** The real service as a child process, on a free port, with a cache of its own. */
export interface RunningService {
  readonly url: string
  readonly pid: number
  /** Everything it has written to stderr so far. */
  stderr(): string
  /** Sends SIGTERM and returns the exit code. */
  stop(): Promise<number>
}

/** Runs `body` with a service that is healthy, and stops it afterwards. @throws Error with its last words when it ends too soon */
export async function withService<T>(args: readonly string[], body: (service: RunningService) => Promise<T>): Promise<T> {
  const cacheDir = mkdtempSync(join(tmpdir(), "consilium-service-"))
  const main = join(import.meta.dir, "../src/main.ts")
  const port = freePort()
  const child = Bun.spawn(
    [process.execPath, main, "serve", "--port", String(port), "--cache-dir", cacheDir, ...args],
    { stdio: ["ignore", "ignore", "pipe"], env: { PATH: process.env.PATH ?? "", HOME: cacheDir } },
  )
  let stderr = ""
  const reading = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) stderr += text
  })()
  const stop = async (): Promise<number> => {
    child.kill("SIGTERM")
    return child.exited
  }
  try {
    const url = `http://127.0.0.1:${port}`
    for (;;) {
      if (child.exitCode !== null) {
        await reading
        throw new Error(`the service ended with code ${child.exitCode}: ${stderr}`)
      }
      const response = await fetch(`${url}/health`).catch(() => undefined)
      if (response?.status === 200) break
      await Bun.sleep(20)
    }
    return await body({ url, pid: child.pid, stderr: () => stderr, stop })
  } finally {
    await stop()
    rmSync(cacheDir, { recursive: true, force: true })
  }
}

function freePort(): number {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() })
  const { port } = server
  server.stop(true)
  return port!
}
