import { Bench } from "tinybench"

/** Someone who does the work that is measured. */
export interface Contender {
  readonly name: string
  readonly run: () => void
}

export interface SamplingOptions {
  /** Time for each contender, warm-up aside. */
  readonly timeMs: number
  readonly signal: AbortSignal
  /** Hears whose turn it is. */
  readonly onTurn: (name: string) => void
}

/** Contenders take turns this often, so that what a shared machine does meanwhile falls on all of them. */
const ROUNDS = 4
/** A sample is the mean of as many calls as fill this: shorter ones would measure the clock and fill the records. */
const SAMPLE_MS = 2

/**
 * Times contenders in turns; returns the milliseconds of a call, by name.
 *
 * Each is warmed up for a quarter of its time, and has at least one sample a round.
 *
 * @throws the signal's reason when it is aborted between two turns; a contender's own error
 */
export async function sampleTogether(
  contenders: readonly Contender[],
  { timeMs, signal, onTurn }: SamplingOptions,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const samples = new Map<string, number[]>()
  const batches: number[] = []
  for (const { name, run } of contenders) {
    onTurn(name)
    batches.push(warmUp(run, timeMs / ROUNDS))
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const [c, { name, run }] of contenders.entries()) {
      // Suites block this thread: let Ctrl-C in.
      await Bun.sleep(0)
      signal.throwIfAborted()
      onTurn(name)
      const taken = await sampleOnce(name, run, batches[c]!, timeMs / ROUNDS)
      samples.set(name, [...(samples.get(name) ?? []), ...taken])
    }
  }
  return samples
}

/** Runs for some time; returns how many calls make a sample. */
function warmUp(run: () => void, timeMs: number): number {
  const started = performance.now()
  let numCalls = 0
  let elapsedMs = 0
  while (numCalls === 0 || elapsedMs < timeMs) {
    run()
    numCalls++
    elapsedMs = performance.now() - started
  }
  return Math.max(1, Math.round((SAMPLE_MS * numCalls) / elapsedMs))
}

async function sampleOnce(name: string, run: () => void, batch: number, timeMs: number): Promise<readonly number[]> {
  const bench = new Bench({ time: timeMs, iterations: 1, warmup: false, retainSamples: true })
  bench.add(name, () => {
    for (let call = 0; call < batch; call++) run()
  })
  await bench.run()
  const { result } = bench.tasks[0]!
  if (result.state === "errored") throw result.error
  if (result.state !== "completed") throw new Error(`${name}: expected a completed task, found ${result.state}`)
  return (result.latency.samples ?? []).map((ms) => ms / batch)
}
