import { Effect } from "effect"
import type { FleetCore } from "../FleetCore.ts"
import type { FleetMessage, FleetRequest } from "../FleetRequest.ts"
import type { EmbeddedText } from "./createRequestEmbedder.ts"

type Embedding = Pick<FleetCore, "router" | "embedder">

/** Returns what a conversation is about now: its latest turn. */
export function routedText(messages: readonly FleetMessage[]): string {
  return messages.findLast(({ role }) => role === "user")?.content ?? messages.at(-1)!.content
}

/** Embeds what a request is about, where the router wants that; undefined where it does not. Who names its expert wants no choice, and waits for none. */
export function embedRequest(
  core: Embedding,
  { messages, target }: Pick<FleetRequest, "messages" | "target">,
): Effect.Effect<EmbeddedText | undefined> {
  const { embeddingSize } = core.router
  if (target.kind !== "expert" || embeddingSize === undefined) return embedText(core, routedText(messages))
  return Effect.succeed({ embedding: new Float32Array(embeddingSize) })
}

/** Embeds a text where the router wants that; undefined where it does not. */
export function embedText({ router, embedder }: Embedding, text: string): Effect.Effect<EmbeddedText | undefined> {
  return router.embeddingSize === undefined || embedder === undefined ? Effect.succeed(undefined) : embedder.embed(text)
}
