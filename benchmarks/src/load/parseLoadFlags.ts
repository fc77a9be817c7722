import type { SuiteFlag } from "../Suite.ts"
import type { LoadBounds } from "./fitTrace.ts"
import type { ServiceLevel } from "./scoreLoad.ts"

/** What a load run was asked for, by flags. */
export interface LoadOptions {
  /** A CSV file; a synthetic trace unless given. */
  readonly trace: string | undefined
  /** A server that runs already, without `/v1`; our own is started unless given. */
  readonly url: string | undefined
  readonly apiKey: string | undefined
  readonly modelName: string
  readonly bounds: LoadBounds
  readonly maxMs: number
  readonly level: ServiceLevel
}

export const LOAD_FLAGS: readonly SuiteFlag[] = [
  {
    name: "trace",
    value: "<file.csv>",
    purpose: "columns TIMESTAMP, ContextTokens, GeneratedTokens (a synthetic one)",
  },
  { name: "url", value: "<url>", purpose: "an OpenAI-compatible server that runs already (our own is started)" },
  { name: "api-key", value: "<key>", purpose: "sent as bearer token; not recorded" },
  { name: "model-name", value: "<name>", purpose: "what the server calls its model (default)" },
  { name: "requests", value: "<n>", purpose: "how many of the trace are sent (64)" },
  { name: "rate", value: "<n>", purpose: "requests a second on average: the trace's time is scaled to it (4)" },
  { name: "seconds", value: "<n>", purpose: "everything ends then, answered or not (120)" },
  {
    name: "max-tokens",
    value: "<n>",
    purpose: "most tokens of a request, with its answer: token counts are scaled (1024)",
  },
  {
    name: "slo",
    value: "<ms>,<ms>",
    purpose: "a good answer's longest wait for the first token, and for each after (1000,100)",
  },
]

/** @throws Error saying what a flag expects and what was found */
export function parseLoadFlags(flags: Readonly<Record<string, string>>): LoadOptions {
  const positive = (name: string, fallback: number): number => {
    const value = Number(flags[name] ?? fallback)
    if (flags[name] === "" || !(value > 0) || !Number.isFinite(value)) {
      throw new Error(`--${name} ${flags[name]}: expected a number above 0`)
    }
    return value
  }
  const whole = (name: string, fallback: number): number => {
    const value = positive(name, fallback)
    if (!Number.isInteger(value)) throw new Error(`--${name} ${value}: expected a whole number`)
    return value
  }
  return {
    trace: flags.trace,
    url: flags.url === undefined ? undefined : parseUrl(flags.url),
    apiKey: flags["api-key"],
    modelName: flags["model-name"] ?? "default",
    bounds: { numRequests: whole("requests", 64), rate: positive("rate", 4), maxTokens: whole("max-tokens", 1024) },
    maxMs: positive("seconds", 120) * 1000,
    level: parseLevel(flags.slo ?? "1000,100"),
  }
}

function parseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new Error(`--url ${text}: expected an address like http://127.0.0.1:8080`)
  }
  return text.replace(/\/+$/, "").replace(/\/v1$/, "")
}

function parseLevel(text: string): ServiceLevel {
  const [ttftMs, tpotMs, ...rest] = text.split(",").map(Number)
  if (rest.length > 0 || !(ttftMs! > 0) || !(tpotMs! > 0)) {
    throw new Error(`--slo ${text}: expected two times in milliseconds like 1000,100`)
  }
  return { ttftMs: ttftMs!, tpotMs: tpotMs! }
}
