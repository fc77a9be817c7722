import type { Measurement } from "../Suite.ts"

export interface LlamaBenchOptions {
  /** Of ik_llama.cpp's `llama-bench`, built by the user. */
  readonly path: string
  readonly ggufPath: string
  readonly promptLength: number
  readonly numSteps: number
  readonly numThreads: number
  readonly numRounds: number
  readonly signal: AbortSignal
}

/** Tokens a second. */
export interface LlamaBenchRates {
  readonly prefill: Measurement["samples"]
  /** From an empty context on, which is all that it can do: a little in its favour. */
  readonly decode: Measurement["samples"]
}

/**
 * Runs ik_llama.cpp's `llama-bench`: it loads, warms up, measures, and ends.
 *
 * @throws Error with its last words when it fails
 */
export async function runLlamaBench(options: LlamaBenchOptions): Promise<LlamaBenchRates> {
  const { path, ggufPath, promptLength, numSteps, numThreads, numRounds, signal } = options
  const test = ["-m", ggufPath, "-p", promptLength, "-n", numSteps, "-t", numThreads, "-ub", promptLength].map(String)
  // Flash attention, experts' products fused, weights interleaved as it loads: its best on a CPU.
  const settings = ["-fa", "1", "-fmoe", "1", "-rtr", "1"]
  const child = Bun.spawn([path, ...test, ...settings, "-r", String(numRounds), "-o", "json"], {
    stdio: ["ignore", "pipe", "pipe"],
    signal,
    killSignal: "SIGKILL",
  })
  const [text, lastWords] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  if (child.exitCode !== 0)
    throw new Error(
      `${path} ended with ${child.signalCode ?? `code ${child.exitCode}`}: ${lastWords.trim().split("\n").at(-1)}`,
    )
  return parseRates(path, text)
}

/** What counts of its JSON, whose other fields differ from build to build. */
interface LlamaBenchTest {
  readonly n_prompt: number
  readonly n_gen: number
  readonly samples_ts: readonly number[]
}

function parseRates(path: string, text: string): LlamaBenchRates {
  const tests = JSON.parse(text) as readonly LlamaBenchTest[]
  const prefill = tests.find(({ n_prompt, n_gen }) => n_prompt > 0 && n_gen === 0)
  const decode = tests.find(({ n_prompt, n_gen }) => n_prompt === 0 && n_gen > 0)
  if (prefill === undefined || decode === undefined)
    throw new Error(`${path}: expected a test of the prompt and one of generation, found ${tests.length} others`)
  return { prefill: prefill.samples_ts, decode: decode.samples_ts }
}
