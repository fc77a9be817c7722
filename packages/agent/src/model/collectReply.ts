import type { CompletionEvent, ToolCall } from "@consilium/serving"
import { Effect } from "effect"

type Finish = Extract<CompletionEvent, { readonly type: "finish" }>

/** An answer, put together again. */
export interface CollectedReply {
  readonly text: string
  readonly calls: readonly ToolCall[]
  /** How it ended; undefined where the one who answers tells that otherwise. */
  readonly finish: Finish | undefined
}

/**
 * Runs what answers in events, and puts the answer together.
 *
 * @param say told of each piece of text
 */
export const collectReply = Effect.fnUntraced(function* <A, E>(
  answer: (hear: (event: CompletionEvent) => void) => Effect.Effect<A, E>,
  say: (text: string) => void,
): Effect.fn.Return<CollectedReply & { readonly ended: A }, E> {
  const calls: { readonly id: string; readonly name: string; arguments: string }[] = []
  let text = ""
  let finish: Finish | undefined
  const hear = (event: CompletionEvent): void => {
    switch (event.type) {
      case "text":
        text += event.text
        return say(event.text)
      case "tool-call":
        calls.push({ id: event.id, name: event.name, arguments: "" })
        return
      case "tool-arguments":
        calls[event.index]!.arguments += event.delta
        return
      case "finish":
        finish = event
    }
  }
  const ended = yield* answer(hear)
  return { text, calls, finish, ended }
})
