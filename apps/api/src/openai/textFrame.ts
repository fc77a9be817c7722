import { sseEvent } from "../http/sse.ts"

/** Returns the server-sent event that carries a piece of text. */
export type TextFrame = (text: string) => string

/** A text that stands nowhere else in a chunk. */
const PLACE = "\u0000"

/**
 * Prepares the event around a piece of text, so that a token costs one short string rather than a whole chunk.
 *
 * @param chunkOf makes the chunk that carries a text
 */
export function textFrame(chunkOf: (text: string) => object): TextFrame {
  const [before, after] = sseEvent(chunkOf(PLACE)).split(JSON.stringify(PLACE)) as [string, string]
  return (text) => before + JSON.stringify(text) + after
}
