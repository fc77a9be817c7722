import type { TokenPrice } from "@consilium/cost"
import { RouterError } from "../router/RouterError.ts"
import { createRuleFinder, type RoutingRule } from "../router/rules/createRuleFinder.ts"
import type { ExpertConfig, ExpertLimits, Modality } from "./FleetConfig.ts"
import { parseUrl } from "./parseUrl.ts"
import { TableError, type TableReader } from "./TableReader.ts"

type Base = Pick<ExpertConfig, Exclude<keyof ExpertConfig, "kind" | "model">>

const MODALITIES: readonly Modality[] = ["text", "image"]
/** ImageNet's, which most published classifiers of images were trained with. */
const MEAN = [0.485, 0.456, 0.406]
const DEVIATION = [0.229, 0.224, 0.225]
/** Waking a model and reading a long prompt take their time. */
const LOCAL_TIMEOUT_MS = 120_000

/** Reads one expert's table. @throws TableError */
export function parseExpert(name: string, table: TableReader, timeoutMs: number): ExpertConfig {
  const kind = parseKindName(table)
  const base = parseBase(name, table, kind, timeoutMs)
  const expert = parseKind(kind, base, table)
  table.end()
  return expert
}

/** The same word stands for ONNX models of text, which answer, and of images, which look. */
function parseKindName(table: TableReader): ExpertConfig["kind"] {
  const name = table.oneOf("kind", ["local", "remote", "onnx"]) ?? table.fail("kind", "one of local, remote, onnx")
  return name === "onnx" && table.texts("modalities").includes("text") ? "onnx-text" : name
}

function parseKind(kind: ExpertConfig["kind"], base: Base, table: TableReader): ExpertConfig {
  switch (kind) {
    case "local":
      return {
        ...base,
        kind,
        model: table.neededText("model"),
        format: table.oneOf("format", ["f32", "int8", "int4"]),
        memoryBytes: table.bytes("memory"),
      }
    case "remote":
      return {
        ...base,
        kind,
        model: table.neededText("model"),
        url: parseUrl(table),
        keyEnv: table.variable("key-env"),
        continues: table.flag("continues") ?? false,
      }
    case "onnx-text":
      return { ...base, kind, model: table.neededText("model"), memoryBytes: table.bytes("memory") }
    case "onnx":
      return {
        ...base,
        kind,
        model: table.text("model"),
        labels: parseLabels(table),
        size: table.whole("size", 1, 4096) ?? 224,
        mean: parseColours(table, "mean") ?? MEAN,
        deviation: parseColours(table, "deviation") ?? DEVIATION,
      }
  }
}

function parseBase(name: string, table: TableReader, kind: ExpertConfig["kind"], timeoutMs: number): Base {
  return {
    name,
    domain: table.text("domain") ?? "",
    description: table.text("description") ?? "",
    examples: table.texts("examples"),
    price: parsePrice(table.table("price")),
    limits: parseLimits(table.table("limits")),
    modalities: parseModalities(table, kind),
    standby: table.text("standby"),
    isGeneralist: table.flag("generalist") ?? false,
    role: table.oneOf("role", ["strong", "cheap"]),
    rules: parseRules(table.table("rules")),
    timeoutMs: table.duration("timeout") ?? (isOwn(kind) ? Math.max(timeoutMs, LOCAL_TIMEOUT_MS) : timeoutMs),
    events: table.texts("events"),
  }
}

/** Whether an engine of ours runs it. */
const isOwn = (kind: ExpertConfig["kind"]): boolean => kind === "local" || kind === "onnx-text"

function parsePrice(table: TableReader | undefined): TokenPrice {
  const usd = (key: string): number | undefined => table?.number(key, 0, 1e6)
  const input = usd("input") ?? 0
  const price = {
    inputUsdPerMillion: input,
    cachedUsdPerMillion: usd("cached") ?? input,
    outputUsdPerMillion: usd("output") ?? 0,
  }
  table?.end()
  return price
}

function parseLimits(table: TableReader | undefined): ExpertLimits {
  const unlimited = Number.POSITIVE_INFINITY
  const limits = {
    concurrency: table?.whole("concurrency", 1, 100_000) ?? unlimited,
    requestsPerMinute: table?.whole("requests-per-minute", 1, 10_000_000) ?? unlimited,
    maxTokens: table?.whole("max-tokens", 1, 2 ** 31) ?? unlimited,
  }
  table?.end()
  return limits
}

function parseModalities(table: TableReader, kind: ExpertConfig["kind"]): readonly Modality[] {
  if (!table.has("modalities")) return kind === "onnx" ? ["image"] : ["text"]
  const found = table.texts("modalities")
  const isKnown = found.length > 0 && found.every((one) => MODALITIES.includes(one as Modality))
  if (!isKnown) return table.fail("modalities", `a list of ${MODALITIES.join(", ")}`)
  if (kind === "onnx-text" && found.includes("image"))
    return table.fail("modalities", 'only "text", or only "image": a model of text sees none')
  if (kind === "local" && found.includes("image")) return table.fail("modalities", 'only "text": our engine reads text')
  return found as Modality[]
}

function parseRules(table: TableReader | undefined): RoutingRule | undefined {
  if (table === undefined) return undefined
  const given = {
    keywords: table.has("keywords") ? table.texts("keywords") : undefined,
    pattern: table.text("pattern"),
    hasTools: table.flag("tools"),
    hasImages: table.flag("images"),
    leastTokens: table.whole("least-tokens", 0, 2 ** 31),
    mostTokens: table.whole("most-tokens", 0, 2 ** 31),
  }
  table.end()
  const rules: RoutingRule = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  try {
    createRuleFinder([rules])
  } catch (error) {
    if (error instanceof RouterError) throw new TableError(`${table.path}: ${error.message}`)
    throw error
  }
  return rules
}

/** A classifier's, in the order of its scores. */
function parseLabels(table: TableReader): readonly string[] {
  const labels = table.texts("labels")
  if (table.has("model") === labels.length > 0) return labels
  return table.fail("labels", "the labels of the model, in the order of its scores, and none without a model")
}

function parseColours(table: TableReader, key: string): readonly number[] | undefined {
  const found = table.numbers(key)
  return found === undefined || found.length === 3 ? found : table.fail(key, "three numbers: red, green, blue")
}
