import type { Subprocess } from "bun"
import { join } from "node:path"
import type { SuiteOptions } from "./Suite.ts"

/** A service started for a measurement. */
export interface Service {
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

/**
 * Starts the API app on a free port, with what a run was asked for, and waits until it is healthy. Without a model its settings file names them.
 *
 * @param further flags of the service
 * @param cwd where its `consilium.toml` is looked for
 * @throws Error with the service's last words if it ends
 */
export async function startService(
  options: Pick<SuiteOptions, "root" | "cacheDir" | "format" | "backend" | "numThreads"> & {
    readonly modelDir?: string
  },
  further: readonly string[] = [],
  cwd: string = options.root,
): Promise<Service> {
  const { root, modelDir, cacheDir, format, backend, numThreads } = options
  const port = freePort()
  const model = modelDir === undefined ? {} : { model: modelDir }
  const settings = { ...model, "cache-dir": cacheDir, format, backend, threads: numThreads, port }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  const process_ = Bun.spawn([process.execPath, join(root, "apps/api/src/main.ts"), "serve", ...args, ...further], {
    cwd,
    stdio: ["ignore", "ignore", "pipe"],
  })
  const url = `http://127.0.0.1:${port}`
  await waitUntilHealthy(url, process_)
  return {
    url,
    pid: process_.pid,
    async stop() {
      process_.kill("SIGTERM")
      await process_.exited
    },
  }
}

/** Waits for 200 from `/health`, asking every 5 ms. Reads all that the service says, lest it wait for a reader. */
export async function waitUntilHealthy(url: string, service: Subprocess<"ignore", "ignore", "pipe">): Promise<void> {
  const said = new Response(service.stderr).text()
  for (;;) {
    if (service.exitCode !== null) {
      throw new Error(`the service ended with code ${service.exitCode}: ${(await said).slice(-2000)}`)
    }
    const response = await fetch(`${url}/health`).catch(() => undefined)
    if (response?.status === 200) return
    await Bun.sleep(5)
  }
}

/** Returns a port of the loopback that nobody listens on. */
export function freePort(): number {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() })
  const { port } = server
  server.stop(true)
  return port!
}
