import { UsageError } from "../Command.ts"
import { readEvents } from "../readEvents.ts"
import type { Answer } from "./converse.ts"
import { postTo } from "./postTo.ts"

interface Chunk {
  readonly choices?: readonly { readonly delta?: { readonly content?: string | null } }[]
  readonly error?: { readonly message: string }
}

/** Answers by a running service, ours or any that speaks OpenAI's protocol. @throws UsageError (rejects) with the service's words */
export function remoteAnswer(url: string, apiKey: string | undefined): Answer {
  return async (messages, { say, signal }) => {
    const body = { model: "default", messages, temperature: 0, stream: true }
    const stream = await postTo(`${url.replace(/\/$/, "")}/v1/chat/completions`, { apiKey, body, signal })
    for await (const data of readEvents(stream)) {
      if (data === "[DONE]") continue
      const { choices, error } = JSON.parse(data) as Chunk
      if (error !== undefined) throw new UsageError(error.message)
      say(choices?.[0]?.delta?.content ?? "")
    }
  }
}
