import type { TimedEngine } from "./TimedEngine.ts"

/** What was measured of one engine. */
export interface RaceSamples {
  readonly prefillMs: number[]
  /** From the prompt's beginning to the end of the step after it. */
  readonly firstTokenMs: number[]
  /** Of a step of all streams. */
  readonly stepMs: number[]
  /** Bytes of weights read by each of these steps; empty where the engine does not tell. */
  readonly weightBytes: number[]
  /** Of the last prompt; undefined where the engine does not tell. */
  tokensPerExpert: readonly (readonly number[])[] | undefined
}

export interface RaceOptions {
  readonly numStreams: number
  readonly promptLength: number
  /** Steps after each prompt. */
  readonly numSteps: number
  readonly numRounds: number
  readonly signal: AbortSignal
}

/** Steps of one turn: some seconds at most, so that what else the machine does falls on all alike. */
const STEPS_PER_TURN = 32

/**
 * Has engines do the same work in turns: each round a prompt each, then `numSteps` steps each, some at a time. While one works the
 * others wait. Every other round goes in reverse, so that nobody always follows the same.
 *
 * @throws the signal's reason when it is aborted between two turns; an engine's own error
 */
export async function raceEngines<Name extends string>(
  engines: ReadonlyMap<Name, TimedEngine>,
  { numStreams, promptLength, numSteps, numRounds, signal }: RaceOptions,
): Promise<ReadonlyMap<Name, RaceSamples>> {
  const samples = new Map([...engines.keys()].map((name) => [name, emptySamples()]))
  for (let round = 0; round < numRounds; round++) {
    const order = round % 2 === 0 ? [...engines] : [...engines].reverse()
    for (const [name, engine] of order) {
      signal.throwIfAborted()
      const { prefillMs, firstStepMs, tokensPerExpert } = await engine.begin(numStreams, promptLength)
      const taken = samples.get(name)!
      taken.prefillMs.push(prefillMs)
      taken.firstTokenMs.push(prefillMs + firstStepMs)
      taken.tokensPerExpert = tokensPerExpert
    }
    for (let done = 0; done < numSteps; done += STEPS_PER_TURN) {
      for (const [name, engine] of order) {
        signal.throwIfAborted()
        const { ms, weightBytes = [] } = await engine.step(Math.min(STEPS_PER_TURN, numSteps - done))
        samples.get(name)!.stepMs.push(...ms)
        samples.get(name)!.weightBytes.push(...weightBytes)
      }
    }
  }
  return samples
}

function emptySamples(): RaceSamples {
  return { prefillMs: [], firstTokenMs: [], stepMs: [], weightBytes: [], tokensPerExpert: undefined }
}
