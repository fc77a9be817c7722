/** One request to a fleet, as its client sees it. */

/** What a reply says of its consultation. */
interface Consultation {
  readonly kind: string
  readonly answered: readonly string[]
  readonly missing: readonly string[]
  readonly isPartial: boolean
}

export interface FleetReply {
  readonly status: number
  readonly text: string
  /** How often an end was said, `[DONE]` apart. */
  readonly numEnds: number
  readonly errorCode: string | undefined
  readonly expert: string | undefined
  readonly attempts: readonly { readonly expert: string; readonly outcome: string }[]
  readonly consultation: Consultation | undefined
  /** Its client left before it ended. */
  readonly hasLeft: boolean
  readonly ms: number
}

interface Part {
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string | null }
    readonly message?: { readonly content?: string | null }
    readonly finish_reason?: string | null
  }[]
  readonly error?: { readonly code: string }
  readonly consilium?: {
    readonly expert?: string
    readonly attempts?: FleetReply["attempts"]
    readonly consultation?: Consultation
  }
}

/** Asks, and reads to the end, or until `signal` aborts. @throws Error on a response that is no OpenAI-compatible one */
export async function askFleet(url: string, body: object, signal: AbortSignal): Promise<FleetReply> {
  const began = performance.now()
  let status = 0
  const parts: Part[] = []
  let hasLeft = false
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal,
    })
    status = response.status
    parts.push(...readParts(await response.text()))
  } catch (error) {
    if (!signal.aborted) throw error
    hasLeft = true
  }
  const consilium = parts.findLast((part) => part.consilium !== undefined)?.consilium
  const choices = parts.flatMap((part) => part.choices ?? [])
  return {
    status,
    text: choices.map(({ delta, message }) => delta?.content ?? message?.content ?? "").join(""),
    numEnds: choices.filter((choice) => typeof choice.finish_reason === "string").length,
    errorCode: parts.findLast((part) => part.error !== undefined)?.error?.code,
    expert: consilium?.expert,
    attempts: consilium?.attempts ?? [],
    consultation: consilium?.consultation,
    hasLeft,
    ms: performance.now() - began,
  }
}

/** Server-sent events, or one body. */
function readParts(text: string): Part[] {
  if (!text.startsWith("data:") && !text.startsWith(":")) return [JSON.parse(text) as Part]
  const events = text.split("\n\n").filter((event) => event.startsWith("data: "))
  if (events.at(-1) !== "data: [DONE]" && !events.at(-1)?.includes('"error"'))
    throw new Error("a stream without an end")
  return events.filter((event) => event !== "data: [DONE]").map((event) => JSON.parse(event.slice(6)) as Part)
}
