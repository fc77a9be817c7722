import type { ChatMessage } from "@consilium/serving"
import { UsageError } from "./Command.ts"
import { readEvents } from "./readEvents.ts"

interface Chunk {
  readonly choices?: readonly { readonly delta?: { readonly content?: string | null } }[]
  readonly error?: { readonly message: string }
}

/** Streams an answer of a running service, ours or any that speaks OpenAI's protocol. @throws UsageError with the service's words */
export async function remoteAnswer(
  url: string,
  apiKey: string | undefined,
  messages: readonly ChatMessage[],
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const response = await fetch(`${url.replace(/\/$/, "")}/v1/chat/completions`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    },
    body: JSON.stringify({ model: "default", messages, temperature: 0, stream: true }),
    signal,
  }).catch((error: Error) => {
    throw new UsageError(`${url}: no service answers there (${error.message})`)
  })
  if (!response.ok || response.body === null)
    throw new UsageError(`${url} answered ${response.status}: ${await response.text()}`)

  for await (const data of readEvents(response.body)) {
    if (data === "[DONE]") continue
    const { choices, error } = JSON.parse(data) as Chunk
    if (error !== undefined) throw new UsageError(error.message)
    say(choices?.[0]?.delta?.content ?? "")
  }
}
