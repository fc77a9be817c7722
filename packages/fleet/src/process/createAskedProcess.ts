import type { Subprocess } from "bun"

/** What stands between a question and its answer: the process ended, hangs, or says why not. */
export class ProcessError extends Error {
  override readonly name = "ProcessError"
}

/** A process that answers questions, one message each: what it takes down is itself, never the service. */
export interface AskedProcess {
  /**
   * Returns its answer, unchecked.
   *
   * @param signal its asker waits no longer; the process is not disturbed
   * @throws ProcessError
   */
  ask(question: object, signal?: AbortSignal): Promise<unknown>
  end(): Promise<void>
}

interface AskedProcessOptions {
  /** The module that the process runs: it sends `{ id, answer }` or `{ id, error }` for each `{ id, question }`. */
  readonly main: string
  /** Words of its command line. */
  readonly args: readonly string[]
  /** One that is silent about a question for so long hangs in native code: it is ended, and started anew by the next question. */
  readonly timeoutMs: number
}

/** One that ended before it answered anything is not started again for so long: it would end again. */
const PAUSE_MS = 1000

/** A process that starts with its first question, and anew after its death. */
export function createAskedProcess({ main, args, timeoutMs }: AskedProcessOptions): AskedProcess {
  const asking = new Map<number, PromiseWithResolvers<unknown>>()
  let child: Subprocess | undefined
  let nextId = 0
  let hasAnswered = false
  let diedMs = Number.NEGATIVE_INFINITY
  const start = (): Subprocess => {
    hasAnswered = false
    return Bun.spawn([process.execPath, main, ...args], {
      stdio: ["ignore", "ignore", "inherit"],
      serialization: "advanced",
      ipc(message) {
        const { id, answer, error } = message as { id: number; answer?: unknown; error?: unknown }
        hasAnswered = true
        if (error === undefined) asking.get(id)?.resolve(answer)
        else asking.get(id)?.reject(new ProcessError(String(error)))
        asking.delete(id)
      },
      onExit() {
        child = undefined
        diedMs = performance.now()
        for (const asker of asking.values()) asker.reject(new ProcessError("its process ended"))
        asking.clear()
      },
    })
  }
  return {
    async ask(question, signal) {
      if (child === undefined && !hasAnswered && performance.now() - diedMs < PAUSE_MS)
        throw new ProcessError("its process ended")
      child ??= start()
      const id = nextId++
      const asker = Promise.withResolvers<unknown>()
      asking.set(id, asker)
      const timer = setTimeout(() => child?.kill("SIGKILL"), timeoutMs)
      signal?.addEventListener("abort", () => asker.reject(new ProcessError("nobody waits for it any more")))
      child.send({ id, question })
      return asker.promise.finally(() => {
        clearTimeout(timer)
        asking.delete(id)
      })
    },
    async end() {
      child?.kill("SIGKILL")
      await child?.exited
    },
  }
}
