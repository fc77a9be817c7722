import { join } from "node:path"
import type { TimedEngine } from "./TimedEngine.ts"
import type { ConsiliumOptions } from "./createConsilium.ts"
import type { LlamaOptions } from "./createLlama.ts"
import type { Answer, Call } from "./serveEngine.ts"

/** A engine in a process of its own. */
export interface SpawnedEngine extends TimedEngine {
  /** Ends the process and waits until it has. */
  close(): Promise<void>
}

export type EngineSetup =
  | { readonly kind: "consilium"; readonly options: ConsiliumOptions }
  | { readonly kind: "node-llama-cpp"; readonly options: LlamaOptions }

/**
 * Starts a engine's process and waits until its model is loaded. It ends when it is closed, or aborted, or this process dies.
 *
 * @throws Error in the engine's own words, or when its process ends
 */
export async function spawnEngine(setup: EngineSetup, signal: AbortSignal): Promise<SpawnedEngine> {
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dir, "engineMain.ts"), setup.kind, JSON.stringify(setup.options)],
    { stdio: ["pipe", "pipe", "inherit"], signal, killSignal: "SIGKILL" },
  )
  const lines = linesOf(child.stdout)

  const nextAnswer = async (): Promise<unknown> => {
    const { value, done } = await lines.next()
    if (done) {
      await child.exited
      throw new Error(`${setup.kind} ended with ${child.signalCode ?? `code ${child.exitCode}`}`)
    }
    const answer = JSON.parse(value) as Answer
    if ("error" in answer) throw new Error(`${setup.kind}: ${answer.error}`)
    return answer.result
  }
  const call = async <T>(method: Call["method"], ...args: number[]): Promise<T> => {
    try {
      child.stdin.write(`${JSON.stringify({ method, args } satisfies Call)}\n`)
      await child.stdin.flush()
    } catch {
      // It reads no more: how it ended is told where its answer would be.
    }
    return (await nextAnswer()) as T
  }
  const close = async (): Promise<void> => {
    child.kill("SIGKILL")
    await child.exited
  }

  try {
    await nextAnswer()
  } catch (error) {
    await close()
    throw error
  }
  return {
    begin: (numStreams, promptLength) => call("begin", numStreams, promptLength),
    step: (numSteps) => call("step", numSteps),
    memory: () => call("memory"),
    close,
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder()
  let pending = ""
  for await (const bytes of stream) {
    pending += decoder.decode(bytes, { stream: true })
    const lines = pending.split("\n")
    pending = lines.pop()!
    yield* lines
  }
}
