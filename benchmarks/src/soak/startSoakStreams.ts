import { streamChat, type StreamTiming } from "../load/streamChat.ts"

/** Streams that ask one prompt after another until they are ended, while faults come. */
export interface SoakStreams {
  /** Answers that each stream has had, or lost. */
  readonly numEnded: Readonly<Uint32Array>
  readonly numAnswers: number
  /** Those of them that had to be what they are without faults, to the letter. */
  readonly numCompared: number
  /** What clients noticed, one line each. */
  readonly losses: string[]
  /** Forgets when pieces of text came, but each stream's last. */
  forget(): void
  /** Waits until each has had so many pieces since a time; returns false where one lost patience. */
  untilAllHave(numPieces: number, sinceMs: number): Promise<boolean>
  /** Waits until each has ended, or lost, an answer more than given; returns false where one lost patience. */
  untilAllEnded(before: Readonly<Uint32Array>): Promise<boolean>
  /** Returns the longest time between two pieces of one stream, of those that came in the time given. */
  longestSilence(fromMs?: number, toMs?: number): number
  end(): Promise<void>
}

/** What is asked. */
export interface SoakLoad {
  readonly url: string
  readonly signal: AbortSignal
  /** Different ones: those of all prompts, greedy, then sampled with a seed. All unless given. */
  readonly numCalls?: number
  /** Of an answer. */
  readonly maxTokens?: number
}

export interface SoakStreamsOptions extends SoakLoad {
  readonly numStreams: number
  /** From `answersAlone`. */
  readonly expected: readonly StreamTiming[]
  /** How long one may be silent. */
  readonly patienceMs: number
  /** Asked at an answer's end: whether one that was begun then must be the expected one. */
  readonly isExact: (begunMs: number) => boolean
}

const PROMPTS = [
  "Hello!",
  "I lost my credit card, what should I do?",
  "What is the capital of France?",
  "Tell me about your opening hours.",
  "How much is 12 percent of 250?",
  "Write a short poem about rain.",
]
const NUM_CALLS = PROMPTS.length * 2
const MAX_TOKENS = 64

/** Asks each call by itself: what answers must be whatever happens. */
export async function answersAlone(load: SoakLoad): Promise<StreamTiming[]> {
  const answers = []
  for (let call = 0; call < (load.numCalls ?? NUM_CALLS); call++) answers.push(await ask(load, call, () => {}))
  return answers
}

export function startSoakStreams(options: SoakStreamsOptions): SoakStreams {
  const { numStreams, signal, expected, patienceMs, isExact } = options
  /** When each stream's pieces came, the last one before `forget` among them. */
  const arrivals: number[][] = Array.from({ length: numStreams }, () => [])
  const numEnded = new Uint32Array(numStreams)
  const losses: string[] = []
  const state = { isOver: false, numAnswers: 0, numCompared: 0 }

  const compare = (index: number, call: number, answer: StreamTiming, mustBeExact: boolean): void => {
    state.numAnswers++
    if (mustBeExact) state.numCompared++
    const wanted = expected[call]!
    if (answer.finishReason === undefined) losses.push(`stream ${index}: an answer without an end`)
    else if (mustBeExact && answer.text !== wanted.text)
      losses.push(
        `stream ${index}: ${JSON.stringify(PROMPTS[call % PROMPTS.length])}: expected ${JSON.stringify(wanted.text)}, found ${JSON.stringify(answer.text)}`,
      )
  }
  const stream = async (index: number): Promise<void> => {
    for (let n = 0; !state.isOver && !signal.aborted; n++) {
      const call = (index + n * 5) % expected.length
      const begunMs = performance.now()
      try {
        const answer = await ask(options, call, (atMs) => arrivals[index]!.push(atMs))
        compare(index, call, answer, isExact(begunMs))
      } catch (error) {
        losses.push(`stream ${index}: ${(error as Error).message}`)
        await Bun.sleep(50)
      }
      numEnded[index]!++
    }
  }
  const streams = Array.from({ length: numStreams }, (_, i) => stream(i))

  const inTime = async (holds: () => boolean): Promise<boolean> => {
    const fromMs = performance.now()
    while (!holds()) {
      if (performance.now() - fromMs > patienceMs || signal.aborted) return signal.aborted
      await Bun.sleep(2)
    }
    return true
  }
  return {
    numEnded,
    losses,
    get numAnswers() {
      return state.numAnswers
    },
    get numCompared() {
      return state.numCompared
    },
    forget() {
      for (const times of arrivals) times.splice(0, Math.max(0, times.length - 1))
    },
    untilAllHave: (numPieces, sinceMs) =>
      inTime(() => arrivals.every((times) => times.filter((at) => at > sinceMs).length >= numPieces)),
    untilAllEnded: (before) => inTime(() => numEnded.every((count, i) => count > before[i]!)),
    longestSilence: (fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY) =>
      arrivals.reduce(
        (most, times) =>
          times.reduce(
            (longest, at, i) => (i === 0 || at < fromMs || at > toMs ? longest : Math.max(longest, at - times[i - 1]!)),
            most,
          ),
        0,
      ),
    async end() {
      state.isOver = true
      await Promise.all(streams)
    },
  }
}

function ask(
  { url, signal, maxTokens = MAX_TOKENS }: SoakLoad,
  call: number,
  onArrival: (atMs: number) => void,
): Promise<StreamTiming> {
  const prompt = PROMPTS[call % PROMPTS.length]!
  const fields = call >= PROMPTS.length ? { temperature: 0.9, seed: 7 } : {}
  return streamChat({ url, model: "default", prompt, maxTokens, fields, signal, onArrival })
}
