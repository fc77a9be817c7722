import { Effect, type Scope } from "effect"
import { join } from "node:path"
import type { EngineStart } from "../engine/EngineStart.ts"
import { type EngineEvent, PROTOCOL_VERSION, type ToEngine } from "../protocol.ts"
import { decodeEvents } from "./decodeEvents.ts"

/** An engine process. */
export interface EngineProcess {
  readonly pid: number
  send(message: ToEngine): void
  /** Kills it at once; `why` is how it ended. */
  kill(why: string): void
  /** Succeeds when the process has ended, with a line that says how. */
  readonly ended: Effect.Effect<string>
}

/** The module that the process runs; another one in tests. */
const MAIN = join(import.meta.dir, "../engine/main.ts")

/**
 * Starts an engine process; closing the scope kills it and waits until it is gone.
 *
 * @param onEvents called with everything that it sends, decoded; a message that cannot be decoded kills it
 */
export const spawnEngine = (
  start: EngineStart,
  onEvents: (events: readonly EngineEvent[]) => void,
  main: string = MAIN,
): Effect.Effect<EngineProcess, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => spawn(start, onEvents, main)),
    ({ child }) =>
      Effect.promise(async () => {
        child.kill("SIGKILL")
        await child.exited
      }),
  ).pipe(Effect.map(({ process }) => process))

function spawn(start: EngineStart, onEvents: (events: readonly EngineEvent[]) => void, main: string) {
  let complaint = ""
  const child = Bun.spawn([process.execPath, main], {
    // An argument has room for 128 KiB: what is desired may be more.
    stdio: [new Blob([JSON.stringify(start)]), "ignore", "inherit"],
    serialization: "json",
    ipc(message) {
      let events: readonly EngineEvent[]
      try {
        events = decodeEvents(message)
      } catch (error) {
        complaint = `sent what protocol version ${PROTOCOL_VERSION} does not know: ${(error as Error).message}`
        child.kill("SIGKILL")
        return
      }
      onEvents(events)
    },
  })
  const ended = Effect.promise(async () => {
    await child.exited
    if (complaint !== "") return complaint
    return child.signalCode === null ? `exit code ${child.exitCode}` : `signal ${child.signalCode}`
  })
  const send = (message: ToEngine): void => {
    // A process that has just died cannot be told: whoever waits for it notices by `ended`. Its channel closes a moment before its end is seen.
    if (child.exitCode !== null || child.signalCode !== null) return
    try {
      child.send({ version: PROTOCOL_VERSION, message })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ERR_IPC_CHANNEL_CLOSED") throw error
    }
  }
  const kill = (why: string): void => {
    complaint = why
    child.kill("SIGKILL")
  }
  return { child, process: { pid: child.pid, send, kill, ended } satisfies EngineProcess }
}
