import { loadModelConfig } from "@consilium/model"
import { readFileSync } from "node:fs"
import { basename } from "node:path"
import { createPrompts } from "./load/createPrompts.ts"
import { fitTrace } from "./load/fitTrace.ts"
import { LOAD_FLAGS, type LoadOptions, parseLoadFlags } from "./load/parseLoadFlags.ts"
import { parseTrace } from "./load/parseTrace.ts"
import { replayTrace } from "./load/replayTrace.ts"
import { scoreLoad } from "./load/scoreLoad.ts"
import { type ChatCall, streamChat, type StreamTiming } from "./load/streamChat.ts"
import { synthesizeTrace } from "./load/synthesizeTrace.ts"
import type { TracedRequest } from "./load/TracedRequest.ts"
import { startService } from "./startService.ts"
import type { Measurement, Suite, SuiteOptions } from "./Suite.ts"

const SEED = 1

/** A load over HTTP as services see it: arrivals in bursts, long tails, whatever the server does. Rivals can run the same. */
export const serve: Suite = {
  name: "serve",
  question:
    "How long do clients of the service wait for the first token and for each after it, under arrivals in bursts and requests with long tails, and how many are served well?",
  takes: ["model", "format", "backend"],
  compares: false,
  flags: LOAD_FLAGS,
  plot: "bars",
  showsTail: true,
  isForeign: ({ url }) => url !== undefined,
  variant({ flags }) {
    const { url, trace, modelName } = parseLoadFlags(flags)
    const load = trace === undefined ? "synthetic" : basename(trace, ".csv")
    return url === undefined ? load : `${load}-${new URL(url).host}-${modelName}`
  },
  async *run(options) {
    const load = parseLoadFlags(options.flags)
    const trace = readTrace(load)
    options.report(load.url ?? "starting the service")
    const service = load.url === undefined ? await startService(options) : undefined
    try {
      const contender = load.url === undefined ? `${options.backend} ${options.format}` : load.modelName
      yield* measureLoad(await endlessServer(load, service?.url, options), load, trace, contender, options)
    } finally {
      await service?.stop()
    }
  },
}

function readTrace({ trace, bounds }: LoadOptions): readonly TracedRequest[] {
  return trace === undefined
    ? synthesizeTrace(bounds.numRequests, SEED)
    : parseTrace(readFileSync(trace, "utf8"), basename(trace))
}

/** Whom to ask, and the fields that make it answer at the length of the trace. */
type Server = Pick<ChatCall, "url" | "apiKey" | "model" | "fields">

/** Has answers go on past their end: ours by forbidding it, others by the field that llama.cpp, vLLM and SGLang know, if they take it. */
async function endlessServer(load: LoadOptions, ownUrl: string | undefined, options: SuiteOptions): Promise<Server> {
  const { apiKey, modelName } = load
  const server = { url: load.url ?? ownUrl!, model: modelName, ...(apiKey !== undefined && { apiKey }) }
  if (load.url === undefined) {
    const { eosIds } = loadModelConfig(options.modelDir).config
    return { ...server, fields: { logit_bias: Object.fromEntries(eosIds.map((id) => [id, -100])) } }
  }
  const endless = { ...server, fields: { ignore_eos: true } }
  try {
    await streamChat({ ...endless, prompt: "Hello!", maxTokens: 1, signal: options.signal })
    return endless
  } catch (error) {
    options.report(`answers may be shorter than the trace's: ${(error as Error).message}`)
    return server
  }
}

async function* measureLoad(
  server: Server,
  { bounds, maxMs, level }: LoadOptions,
  trace: readonly TracedRequest[],
  contender: string,
  { signal, report }: SuiteOptions,
): AsyncIterable<Measurement> {
  report(`asking ${server.url} how it counts tokens`)
  const prompts = await createPrompts((prompt) => streamChat({ ...server, prompt, maxTokens: 1, signal }))

  const { requests, tokenScale } = fitTrace(trace, bounds)
  const send = (request: TracedRequest, index: number, end: AbortSignal): Promise<StreamTiming> => {
    const prompt = prompts(request.contextTokens, index)
    return streamChat({ ...server, prompt, maxTokens: request.generatedTokens, signal: end })
  }
  const onDone = (numDone: number): void => report(`${numDone} of ${requests.length} requests`)
  report(`${requests.length} requests, token counts × ${tokenScale.toPrecision(2)}, about ${bounds.rate} a second`)
  const replay = await replayTrace(requests, send, { maxMs, signal, onDone })

  const failed = replay.outcomes.find((outcome) => outcome.kind === "failed")
  if (replay.outcomes.every(({ kind }) => kind !== "answered")) {
    const why = failed === undefined ? "" : `: ${failed.cause.message}`
    throw new Error(`none of ${requests.length} requests was answered within ${maxMs / 1000} s${why}`)
  }
  if (failed !== undefined) report(`some requests failed, first: ${failed.cause.message}`)
  yield* scoreLoad(replay, level, contender)
}
