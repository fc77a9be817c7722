import type { CompletionEvent } from "@consilium/serving"
import { Effect } from "effect"
import { type AnswerClock, type AnswerTiming, createAnswerClock } from "../http/AnswerClock.ts"
import type { ConsiliumResponse } from "../http/consilium.ts"
import { runForRequest, sseResponse } from "../http/sse.ts"
import type { ConsiliumOf } from "../openai/chatResponse.ts"

type Finish = Extract<CompletionEvent, { readonly type: "finish" }>

/** Makes the wire form of one response: server-sent events, or one body. */
export interface AnswerForm {
  readonly chunks: (consiliumOf: ConsiliumOf) => { push(event: CompletionEvent): string; end(): string }
  readonly body: (events: readonly CompletionEvent[], consiliumOf: ConsiliumOf) => object
}

/** How an answer comes about, whoever computes it. */
export interface AnswerRun<E> {
  readonly arrivedMs: number
  readonly isStream: boolean
  readonly numChoices: number
  readonly form: AnswerForm
  readonly signal: AbortSignal
  /** Read when the answer begins. */
  readonly headers: () => Readonly<Record<string, string>>
  readonly consiliumOf: (finish: Finish, timing: AnswerTiming) => ConsiliumResponse
  readonly observe: (finish: Finish, timing: AnswerTiming) => void
  readonly observeGap: (gapMs: number) => void
  readonly run: (say: (event: CompletionEvent) => void) => Effect.Effect<void, E>
}

/** Responds with an answer in the form that its route wants, streamed or whole; a client that leaves interrupts it. */
export async function respond<E>(answer: AnswerRun<E>): Promise<Response> {
  const { arrivedMs, isStream, numChoices, form, signal, headers, run } = answer
  const clocks = Array.from({ length: numChoices }, () => createAnswerClock(arrivedMs))
  const timingOf = ({ choice, usage }: Finish): AnswerTiming => clocks[choice]!.timing(usage.generatedTokens)
  const consiliumOf: ConsiliumOf = (finish) => answer.consiliumOf(finish, timingOf(finish))
  const measure = (event: CompletionEvent): void => {
    if (event.type === "finish") return answer.observe(event, timingOf(event))
    tick(clocks[event.choice]!, answer.observeGap)
  }
  if (!isStream) {
    const events: CompletionEvent[] = []
    const collect = (event: CompletionEvent): void => {
      measure(event)
      events.push(event)
    }
    await runForRequest(run(collect), signal)
    return Response.json(form.body(events, consiliumOf), { headers: headers() })
  }
  const chunks = form.chunks(consiliumOf)
  return sseResponse(
    (write) => {
      const say = (event: CompletionEvent): void => {
        measure(event)
        write(chunks.push(event))
      }
      return Effect.tap(
        run(say),
        Effect.sync(() => write(chunks.end())),
      )
    },
    { signal, headers },
  )
}

function tick(clock: AnswerClock, observeGap: (gapMs: number) => void): void {
  const gapMs = clock.tick()
  if (gapMs !== undefined) observeGap(gapMs)
}
