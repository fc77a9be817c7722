import { Effect } from "effect"
import type { RemoteExpertConfig } from "../config/FleetConfig.ts"
import { ExpertFailure } from "../ExpertFailure.ts"
import type { FleetExpert } from "../FleetExpert.ts"
import { estimatePromptTokens } from "../route/estimateCost.ts"
import { type ChunkReader, createChunkReader } from "./createChunkReader.ts"
import { readLines } from "./readLines.ts"
import { asChunk, errorWords, shorten } from "./RemoteChunk.ts"
import { remoteBody } from "./remoteBody.ts"

/** Most bytes of an answer, the envelope of each token included. */
const MOST_ANSWER = 64 * 2 ** 20
/** Of an answer that is none, so many are read for its words. */
const MOST_ERROR = 64 * 2 ** 10

type Say = Parameters<FleetExpert["answer"]>[1]
type Request = Parameters<FleetExpert["answer"]>[0]

/**
 * An expert behind any endpoint that speaks OpenAI's protocol. Answers are always streamed from it, so that silence is noticed.
 *
 * @param key sent as a bearer token
 */
export function createRemoteExpert(config: RemoteExpertConfig, key: string | undefined): FleetExpert {
  return {
    continues: config.continues,
    backend: () => "remote",
    answer: (request, say, { begin }) =>
      Effect.tryPromise({
        try: (signal) => {
          begin()
          return converse(config, key, request, say, signal)
        },
        catch: (error) => asFailure(error),
      }),
  }
}

/** @throws ExpertFailure, or what `fetch` throws */
async function converse(
  config: RemoteExpertConfig,
  key: string | undefined,
  request: Request,
  say: Say,
  signal: AbortSignal,
): Promise<void> {
  const askedMs = performance.now()
  let firstMs: number | undefined
  const sayTimed: Say = (event) => {
    firstMs ??= performance.now()
    say(event)
  }
  const response = await fetch(`${config.url}/chat/completions`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "text/event-stream, application/json",
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    },
    body: JSON.stringify(remoteBody(config, request)),
    // Elsewhere it would take the key and the conversation with it.
    redirect: "manual",
    signal,
  })
  if (response.status !== 200 || response.body === null) throw await refusalOf(response)
  const reader = createChunkReader(request.numChoices, estimatePromptTokens(request.messages), sayTimed)
  const isWhole = /^application\/json\b/i.test(response.headers.get("content-type") ?? "")
  await (isWhole ? readWhole(response.body, reader) : readStream(response.body, reader)).catch((error: unknown) => {
    throw asFailure(error, "cut-stream")
  })
  const endedMs = performance.now()
  reader.end({ queueMs: 0, prefillMs: (firstMs ?? endedMs) - askedMs, decodeMs: endedMs - (firstMs ?? endedMs) })
}

/** Of a peer that does not stream, though it was asked to. */
async function readWhole(body: ReadableStream<Uint8Array>, reader: ChunkReader): Promise<void> {
  pushJson((await readText(body, MOST_ANSWER)).join("\n"), reader)
}

async function readStream(body: ReadableStream<Uint8Array>, reader: ChunkReader): Promise<void> {
  let numEvents = 0
  for await (const line of readLines(body, MOST_ANSWER)) {
    const data = /^data: ?(.*)$/.exec(line)?.[1]
    // Comments, names of events and the lines between them.
    if (data === undefined || data === "") continue
    numEvents++
    if (data === "[DONE]") break
    pushJson(data, reader)
  }
  if (numEvents === 0) throw badAnswer("server-sent events", "none")
}

function pushJson(text: string, reader: ChunkReader): void {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw badAnswer("JSON", JSON.stringify(shorten(text)))
  }
  const words = errorWords(value)
  if (words !== undefined) throw new ExpertFailure({ kind: "server-error", message: words })
  const chunk = asChunk(value)
  if (chunk === undefined) throw badAnswer("a chat completion", "other JSON")
  reader.push(chunk)
}

function badAnswer(expected: string, found: string): ExpertFailure {
  return new ExpertFailure({ kind: "bad-answer", message: `expected ${expected}, found ${found}` })
}

async function readText(body: ReadableStream<Uint8Array>, mostBytes: number): Promise<string[]> {
  const lines: string[] = []
  for await (const line of readLines(body, mostBytes)) lines.push(line)
  return lines
}

/** Returns why a response is no answer. */
async function refusalOf(response: Response): Promise<ExpertFailure> {
  const { status } = response
  const words = await wordsOf(response)
  const message = `status ${status}${words === "" ? "" : `: ${words}`}`
  if (status === 429 || status === 529 || status === 408) {
    const retryAfterMs = retryAfter(response.headers)
    return new ExpertFailure({ kind: "rate-limited", message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) })
  }
  if (status >= 500) return new ExpertFailure({ kind: "server-error", message })
  // What it says of our key is not for clients.
  if ([401, 403, 404, 405].includes(status) || (status >= 300 && status < 400))
    return new ExpertFailure({ kind: "misconfigured", message: `status ${status}: its address or key is wrong` })
  return new ExpertFailure({ kind: status >= 400 ? "bad-request" : "bad-answer", message })
}

async function wordsOf({ body }: Response): Promise<string> {
  if (body === null) return ""
  const text = await readText(body, MOST_ERROR).then(
    (lines) => lines.join("\n"),
    () => "",
  )
  try {
    return errorWords(JSON.parse(text)) ?? ""
  } catch {
    return shorten(text)
  }
}

/** Milliseconds of `retry-after-ms`, or of `retry-after` in seconds or as a date. */
function retryAfter(headers: Headers): number | undefined {
  const exact = headers.get("retry-after-ms")
  const text = headers.get("retry-after")
  if (exact === null && text === null) return undefined
  const seconds = Number(text)
  const ms = exact !== null ? Number(exact) : Number.isNaN(seconds) ? Date.parse(text!) - Date.now() : seconds * 1000
  return ms >= 0 ? ms : undefined
}

/** What `fetch` throws is a connection that was not, or that broke. */
function asFailure(error: unknown, kind: "refused" | "cut-stream" = "refused"): ExpertFailure {
  if (error instanceof ExpertFailure) return error
  const { message, code } = error as { readonly message: string; readonly code?: unknown }
  return new ExpertFailure({ kind, message: shorten(typeof code === "string" ? `${code}: ${message}` : message) })
}
