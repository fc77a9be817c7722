import type { TokenCounts } from "@consilium/cost"
import type { CompletionRequest, EngineApi, EngineUsage } from "@consilium/serving"
import { Effect } from "effect"
import type { ShareClock } from "./ShareClock.ts"

/** Counts what one request uses, also when it does not come to its end. */
export interface CostMeter {
  /** The engine, counting what runs through it. */
  readonly engine: EngineApi
  /** Takes in what a choice came to; choices are numbered over all prompts. */
  noteUsage(choice: number, usage: EngineUsage): void
  /** Tokens until now: each prompt once, however many answers it has. */
  tokens(): TokenCounts
  /** Positions that went through the model. */
  numComputed(): number
  /** How long answers ran, one after the other, and what of the engine's time was theirs. */
  time(): { readonly streamMs: number; readonly shareMs: number }
}

interface Choice {
  readonly prompt: number
  /** Nothing before the engine has begun. */
  tokens: TokenCounts
}

const NOTHING: TokenCounts = { promptTokens: 0, cachedTokens: 0, generatedTokens: 0 }

export function createCostMeter(
  engine: EngineApi,
  requests: readonly CompletionRequest[],
  clock: ShareClock,
): CostMeter {
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
      const beganMs = performance.now()
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
        streamMs += performance.now() - beganMs
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
    numComputed: () =>
      choices.reduce((total, { tokens: { promptTokens, cachedTokens, generatedTokens } }) => {
        // The last token of an answer is never an input.
        return total + promptTokens - cachedTokens + Math.max(0, generatedTokens - 1)
      }, 0),
    time: () => ({ streamMs, shareMs }),
  }
}
