import type { TimedEngine } from "./TimedEngine.ts"

/** A call, one line of JSON on standard input; the answer is one on standard output. */
export interface Call {
  readonly method: keyof TimedEngine
  readonly args: readonly number[]
}

export type Answer = { readonly result: unknown } | { readonly error: string }

/**
 * Answers calls from standard input until it ends, which is how a parent that died says so.
 *
 * Says `{"result": "ready"}` first.
 */
export async function serveEngine(create: () => Promise<TimedEngine>): Promise<void> {
  const answer = async (run: () => Promise<unknown>): Promise<boolean> => {
    try {
      say({ result: await run() })
      return true
    } catch (error) {
      say({ error: (error as Error).message })
      return false
    }
  }
  let engine: TimedEngine | undefined
  const isReady = await answer(async () => {
    engine = await create()
    return "ready"
  })
  if (!isReady || engine === undefined) return
  const methods: Record<keyof TimedEngine, (...args: number[]) => Promise<unknown>> = {
    begin: (numStreams, promptLength) => engine!.begin(numStreams!, promptLength!),
    step: (numSteps) => engine!.step(numSteps!),
    memory: () => engine!.memory(),
  }
  for await (const line of console) {
    const { method, args } = JSON.parse(line) as Call
    await answer(() => methods[method](...args))
  }
}

function say(answer: Answer): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
