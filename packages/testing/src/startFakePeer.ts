/** An endpoint that speaks OpenAI's protocol and does as it is told, failures included. */

/** What it does with one request. */
export type PeerBehaviour =
  /** Streams these pieces, then how it ended. */
  | { readonly kind: "answer"; readonly pieces: readonly string[]; readonly pauseMs?: number }
  /** Streams pieces as they are: already JSON, or not. */
  | { readonly kind: "raw"; readonly events: readonly string[]; readonly type?: string }
  /** One JSON body, as of a peer that does not stream. */
  | { readonly kind: "whole"; readonly body: unknown }
  | {
      readonly kind: "status"
      readonly status: number
      readonly body?: unknown
      readonly headers?: Record<string, string>
    }
  /** Says nothing, or nothing more after these pieces, until the client leaves. */
  | { readonly kind: "hang"; readonly pieces?: readonly string[] }
  /** Ends after these pieces without a word. */
  | { readonly kind: "cut"; readonly pieces: readonly string[] }
  /** Breaks the connection after these pieces. */
  | { readonly kind: "break"; readonly pieces: readonly string[] }

export interface FakePeer {
  /** With `/v1`. */
  readonly url: string
  /** Bodies of all requests, oldest first. */
  readonly requests: readonly Record<string, unknown>[]
  /** Authorization of each. */
  readonly keys: readonly (string | null)[]
  /** Requests whose client left before their end. */
  readonly numAbandoned: number
  /** Does this from now on. */
  does(behaviour: PeerBehaviour | ((body: Record<string, unknown>) => PeerBehaviour)): void
  /** Listens no more, or again. */
  refuse(isRefusing: boolean): void
  stop(): void
}

const encoder = new TextEncoder()

/** Starts it on a free port of this machine. */
export function startFakePeer(
  first: PeerBehaviour | ((body: Record<string, unknown>) => PeerBehaviour) = {
    kind: "answer",
    pieces: ["Hello", " there"],
  },
): FakePeer {
  const requests: Record<string, unknown>[] = []
  const keys: (string | null)[] = []
  let behaviour = first
  let numAbandoned = 0
  const fetch = async (request: Request): Promise<Response> => {
    const body = (await request.json()) as Record<string, unknown>
    requests.push(body)
    keys.push(request.headers.get("authorization"))
    request.signal.addEventListener("abort", () => numAbandoned++)
    return respond(typeof behaviour === "function" ? behaviour(body) : behaviour, request.signal)
  }
  const listen = (port: number) =>
    Bun.serve({ hostname: "127.0.0.1", port, idleTimeout: 0, fetch, error: () => new Response() })
  let server: ReturnType<typeof listen> | undefined = listen(0)
  const port = server.port!
  return {
    url: `http://127.0.0.1:${port}/v1`,
    requests,
    keys,
    get numAbandoned() {
      return numAbandoned
    },
    does: (next) => void (behaviour = next),
    refuse(isRefusing) {
      if (isRefusing) void server?.stop(true)
      server = isRefusing ? undefined : (server ?? listen(port))
    },
    stop: () => void server?.stop(true),
  }
}

function respond(behaviour: PeerBehaviour, signal: AbortSignal): Response | Promise<Response> {
  switch (behaviour.kind) {
    case "answer": {
      const { pieces, pauseMs = 0 } = behaviour
      const usage = { prompt_tokens: 7, completion_tokens: pieces.length }
      const end = [chunk({}, "stop"), JSON.stringify({ choices: [], usage }), "[DONE]"]
      return stream([...pieces.map((content) => chunk({ content })), ...end], { pauseMs })
    }
    case "raw":
      return stream(behaviour.events, behaviour.type === undefined ? {} : { type: behaviour.type })
    case "whole":
      return Response.json(behaviour.body)
    case "status": {
      const { status, body = { error: { message: `status ${status}` } }, headers = {} } = behaviour
      return Response.json(body, { status, headers })
    }
    case "hang": {
      const { pieces } = behaviour
      if (pieces === undefined)
        return new Promise((resolve) => signal.addEventListener("abort", () => resolve(new Response())))
      return stream(
        pieces.map((content) => chunk({ content })),
        { end: "hang" },
      )
    }
    case "cut":
      return stream(
        behaviour.pieces.map((content) => chunk({ content })),
        {},
      )
    case "break":
      return stream(
        behaviour.pieces.map((content) => chunk({ content })),
        { end: "break" },
      )
  }
}

function chunk(delta: object, finish: string | null = null): string {
  return JSON.stringify({ object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finish }] })
}

interface StreamOptions {
  readonly end?: "close" | "hang" | "break"
  readonly pauseMs?: number
  readonly type?: string
}

function stream(
  events: readonly string[],
  { end = "close", pauseMs = 0, type = "text/event-stream" }: StreamOptions,
): Response {
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      for (const event of events) {
        if (pauseMs > 0) await Bun.sleep(pauseMs)
        controller.enqueue(encoder.encode(`data: ${event}\n\n`))
      }
      if (end === "close") controller.close()
      if (end === "break") {
        // What was said arrives first.
        await Bun.sleep(5)
        controller.error()
      }
    },
  })
  return new Response(body, { headers: { "content-type": type } })
}
