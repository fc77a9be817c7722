/** What is asked of an OpenAI-compatible server. */
export interface ChatCall {
  /** Up to and without `/v1`. */
  readonly url: string
  readonly apiKey?: string
  readonly model: string
  readonly prompt: string
  readonly maxTokens: number
  /** Further fields of the request. */
  readonly fields?: Readonly<Record<string, unknown>>
  readonly signal?: AbortSignal
  /** Told when each piece of text comes, by `performance.now()`. */
  readonly onArrival?: (atMs: number) => void
}

/** What one streamed answer took; times from the call. */
export interface StreamTiming {
  readonly firstTokenMs: number
  readonly totalMs: number
  /** When each piece of text came. */
  readonly arrivalsMs: readonly number[]
  /** As the server counts; pieces of text where it does not say. */
  readonly numTokens: number
  readonly text: string
  /** Why it ended, in the server's word. */
  readonly finishReason: string | undefined
  /** Undefined where the server does not say. */
  readonly numPromptTokens: number | undefined
}

interface Chunk {
  readonly choices?: readonly {
    readonly delta?: Readonly<Record<string, unknown>>
    readonly finish_reason?: string | null
  }[]
  readonly usage?: { readonly completion_tokens: number; readonly prompt_tokens: number } | null
  readonly error?: { readonly message: string }
}

/**
 * Streams one greedy chat completion and takes its times.
 *
 * @throws Error in the server's words when it refuses, breaks off or sends no token; the signal's reason when it is aborted
 */
export async function streamChat(call: ChatCall): Promise<StreamTiming> {
  const started = performance.now()
  const response = await fetch(`${call.url}/v1/chat/completions`, requestOf(call))
  if (!response.ok || response.body === null) {
    throw new Error(`${call.url} answered ${response.status}: ${(await response.text()).slice(0, 500)}`)
  }
  const arrivalsMs: number[] = []
  let usage: Chunk["usage"]
  let text = ""
  let finishReason: string | undefined
  for await (const chunk of readChunks(response.body)) {
    if (chunk.error !== undefined) throw new Error(`${call.url} broke off: ${chunk.error.message}`)
    if (chunk.choices?.some(({ delta }) => hasToken(delta))) {
      const now = performance.now()
      arrivalsMs.push(now - started)
      call.onArrival?.(now)
    }
    for (const { delta, finish_reason } of chunk.choices ?? []) {
      text += typeof delta?.content === "string" ? delta.content : ""
      finishReason = finish_reason ?? finishReason
    }
    usage = chunk.usage ?? usage
  }
  if (arrivalsMs.length === 0) throw new Error(`${call.url} ended a stream without a token`)
  return {
    firstTokenMs: arrivalsMs[0]!,
    totalMs: performance.now() - started,
    arrivalsMs,
    text,
    finishReason,
    numTokens: usage?.completion_tokens ?? arrivalsMs.length,
    numPromptTokens: usage?.prompt_tokens,
  }
}

function requestOf({ apiKey, model, prompt, maxTokens, fields, signal }: ChatCall): RequestInit {
  return {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
    },
    body: JSON.stringify({
      model,
      messages: [{ role: "user", content: prompt }],
      max_tokens: maxTokens,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
      ...fields,
    }),
    ...(signal !== undefined && { signal }),
  }
}

/** Text, reasoning or a tool call: the first chunk has a role only. */
function hasToken(delta: Readonly<Record<string, unknown>> = {}): boolean {
  return ["content", "reasoning_content", "reasoning", "tool_calls"].some((field) => Boolean(delta[field]))
}

/** Reads the `data:` lines of a server-sent stream up to `[DONE]`. @throws SyntaxError on one that is not JSON */
async function* readChunks(body: ReadableStream<Uint8Array>): AsyncIterable<Chunk> {
  const decoder = new TextDecoder()
  let pending = ""
  for await (const bytes of body) {
    pending += decoder.decode(bytes, { stream: true })
    const lines = pending.split(/\r?\n/)
    pending = lines.pop()!
    for (const line of lines) {
      if (!line.startsWith("data:")) continue
      const data = line.slice("data:".length).trim()
      if (data !== "[DONE]") yield JSON.parse(data) as Chunk
    }
  }
}
