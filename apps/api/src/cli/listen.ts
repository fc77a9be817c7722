import { Effect } from "effect"
import { MAX_BODY_BYTES } from "../http/readBody.ts"
import { SettingError } from "../settings/SettingError.ts"
import type { Settings } from "../settings/Settings.ts"

type Fetch = (request: Request) => Response | Promise<Response>

/** What answers may still be on their way to their clients after they were finished. */
const FLUSH_MS = 2000

/** Opens the service's listener, and the operator's where it has a port. @throws SettingError on a port that cannot be had */
export function listen(
  { main, admin }: { readonly main: Fetch; readonly admin: Fetch },
  { host, port, "admin-port": adminPort }: Settings,
): Bun.Server<undefined>[] {
  const server = open(host, port, "port", main)
  return adminPort === undefined ? [server] : [server, open("127.0.0.1", adminPort, "admin-port", admin)]
}

function open(hostname: string, port: number, setting: string, fetch: Fetch): Bun.Server<undefined> {
  try {
    return Bun.serve({ hostname, port, idleTimeout: 0, maxRequestBodySize: MAX_BODY_BYTES, fetch })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why =
      code === "EADDRINUSE" ? "it is taken: choose another" : `the system says ${code ?? (error as Error).message}`
    throw new SettingError(`--${setting} ${port} on ${hostname}: expected a port to listen on, but ${why}`)
  }
}

export function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGINT", () => resolve())
    process.once("SIGTERM", () => resolve())
  })
}

/** Finishes what runs, then closes the listeners. */
export async function stopServing(
  servers: readonly Bun.Server<undefined>[],
  drain: Effect.Effect<void>,
): Promise<void> {
  console.error("stopping: finishing what runs (a second signal stops at once)")
  process.once("SIGINT", () => process.exit(130))
  process.once("SIGTERM", () => process.exit(143))
  await Effect.runPromise(drain)
  await Promise.race([Promise.all(servers.map((server) => server.stop())), Bun.sleep(FLUSH_MS)])
  await Promise.all(servers.map((server) => server.stop(true)))
}

export function warnOfOpenDoor(host: string, apiKey: string | undefined): void {
  const isLocal = host === "127.0.0.1" || host === "localhost" || host === "::1"
  if (!isLocal && apiKey === undefined)
    console.error(`warning: ${host} can be reached from other machines, and no --api-key is set`)
}
