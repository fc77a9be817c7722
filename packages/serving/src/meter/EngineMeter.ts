import { Effect } from "effect"
import type { EngineApi } from "../client/EngineApi.ts"
import type { CompletionRequest } from "../completion/Completion.ts"
import type { EngineUsage } from "../protocol.ts"
import { createShareClock, type ShareClock } from "./ShareClock.ts"

/** An engine, as far as its use is counted. */
export interface MeteredEngine {
  readonly numThreads: number
  /** Most answers that are computed at once: others wait. */
  readonly numSlots: number
  /** Of a token's experts in all layers. */
  readonly expertBytesPerToken: number
}

/** What a request used of an engine until now. */
export interface EngineUse {
  /** Mean number of answers that were computed beside it, itself included. */
  readonly numTogether: number
  /** Of its tokens' experts, each token for itself: in a batch several share a read. */
  readonly expertBytes: number
  /** Its even share of the engine's time, times its threads. */
  readonly cpuMs: number
}

type TokenCounts = Pick<EngineUsage, "promptTokens" | "cachedTokens" | "generatedTokens">

/** Counts what one request uses, also when it does not come to its end. */
export interface EngineMeter {
  /** The engine, counting what runs through it. */
  readonly engine: EngineApi
  /** Takes in what a choice came to; choices are numbered over all prompts. */
  noteUsage(choice: number, usage: EngineUsage): void
  /** Tokens until now: each prompt once, however many answers it has. */
  tokens(): TokenCounts
  use(): EngineUse
}

interface Clocks {
  readonly clock: ShareClock
  readonly nowMs: () => number
}

interface Choice {
  readonly prompt: number
  /** Nothing before the engine has begun. */
  tokens: TokenCounts
}

const NOTHING: TokenCounts = { promptTokens: 0, cachedTokens: 0, generatedTokens: 0 }

/**
 * Returns what begins the meter of a request to an engine: those that run at once share its time.
 *
 * @param nowMs a clock that never goes back
 */
export function createEngineMeters(metered: MeteredEngine, nowMs: () => number = () => performance.now()) {
  const clock = createShareClock(nowMs)
  return (engine: EngineApi, requests: readonly CompletionRequest[]): EngineMeter =>
    createEngineMeter(engine, requests, { ...metered, clock, nowMs })
}

function createEngineMeter(
  engine: EngineApi,
  requests: readonly CompletionRequest[],
  { numThreads, numSlots, expertBytesPerToken, clock, nowMs }: MeteredEngine & Clocks,
): EngineMeter {
  const choices = requests.flatMap(({ numChoices }, prompt) =>
    Array.from({ length: numChoices }, (): Choice => ({ prompt, tokens: NOTHING })),
  )
  // As `complete` names what it asks the engine for.
  const ids = requests.flatMap(({ requestId, numChoices }) =>
    Array.from({ length: numChoices }, (_, c) => `${requestId}-${c}`),
  )
  const byId = new Map(choices.map((choice, i) => [ids[i]!, choice]))
  let streamMs = 0
  let shareMs = 0

  const generate: EngineApi["generate"] = (request, onEvent) =>
    Effect.suspend(() => {
      const choice = byId.get(request.requestId)!
      const beganMs = nowMs()
      const leave = clock.join()
      const count: typeof onEvent = (event) => {
        const { generatedTokens } = choice.tokens
        const cachedTokens =
          event.type === "started" && generatedTokens === 0 ? event.cachedTokens : choice.tokens.cachedTokens
        const numNew = event.type === "tokens" ? event.tokens.length : 0
        choice.tokens = { promptTokens: request.ids.length, cachedTokens, generatedTokens: generatedTokens + numNew }
        onEvent(event)
      }
      const end = Effect.sync(() => {
        shareMs += leave()
        streamMs += nowMs() - beganMs
      })
      return Effect.ensuring(engine.generate(request, count), end)
    })

  return {
    engine: { ...engine, generate },
    noteUsage(choice, { promptTokens, cachedTokens, generatedTokens }) {
      choices[choice]!.tokens = { promptTokens, cachedTokens, generatedTokens }
    },
    tokens() {
      const ofPrompts = requests.map((_, prompt) =>
        choices.filter((choice) => choice.prompt === prompt && choice.tokens.promptTokens > 0),
      )
      const sum = (of: (own: readonly Choice[]) => number): number =>
        ofPrompts.reduce((total, own) => total + of(own), 0)
      return {
        promptTokens: sum(([first]) => first?.tokens.promptTokens ?? 0),
        // Other choices of a prompt find it computed by the first: that is no cache of earlier requests.
        cachedTokens: sum((own) => (own.length === 0 ? 0 : Math.min(...own.map(({ tokens }) => tokens.cachedTokens)))),
        generatedTokens: choices.reduce((total, { tokens }) => total + tokens.generatedTokens, 0),
      }
    },
    use: () => ({
      numTogether: shareMs > 0 ? Math.min(numSlots, streamMs / shareMs) : 1,
      expertBytes: choices.reduce((sum, { tokens }) => sum + numComputed(tokens), 0) * expertBytesPerToken,
      cpuMs: shareMs * numThreads,
    }),
  }
}

/** Positions that went through the model: the last token of an answer is never an input. */
function numComputed({ promptTokens, cachedTokens, generatedTokens }: TokenCounts): number {
  return promptTokens - cachedTokens + Math.max(0, generatedTokens - 1)
}
