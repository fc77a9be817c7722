import type { BreakerPolicy } from "@consilium/scheduling"
import { CONSULT_KINDS } from "../Consult.ts"
import type { ConsultPolicy, ExpertConfig, FleetConfig } from "./FleetConfig.ts"
import { parseEmbedder } from "./parseEmbedder.ts"
import { parseExpert } from "./parseExpert.ts"
import { TableError, readTable, type TableReader } from "./TableReader.ts"

const DEADLINE_MS = 300_000
const TIMEOUT_MS = 60_000
const LEAST_SCORE = 0.2
const MOST_EXPERTS = 256
/** A name goes into URLs and headers, and must not look like `auto`. */
const NAME = /^[A-Za-z0-9][\w.-]{0,63}$/
const RESERVED = ["auto", "default"]

/**
 * Parses the `[fleet]` table of a settings file, once and strictly: an unknown key is an error.
 *
 * @param source the file's name, for errors
 * @throws TableError naming the key by its path
 */
export function parseFleet(value: unknown, source: string): FleetConfig {
  const path = `${source}: fleet`
  const table = readTable(value, path)
  const timeoutMs = table.duration("timeout") ?? TIMEOUT_MS
  const config = {
    deadlineMs: table.duration("deadline") ?? DEADLINE_MS,
    leastScore: table.number("least-score", 0, 1) ?? LEAST_SCORE,
    router: table.text("router"),
    embedder: parseEmbedder(table.table("embedder")),
    consult: parseConsult(table.table("consult")),
    breaker: parseBreaker(table.table("breaker")),
    experts: parseExperts(
      table.table("experts") ?? table.fail("experts", "tables [fleet.experts.<name>]"),
      path,
      timeoutMs,
    ),
  }
  table.end()
  checkExperts(config.experts, path)
  const numAnswering = config.experts.filter(({ kind }) => kind !== "onnx").length
  if (config.consult !== undefined && numAnswering < 2)
    throw new TableError(`${path}.consult: expected two experts that answer or more, found ${numAnswering}`)
  return config
}

function parseExperts(table: TableReader, path: string, timeoutMs: number): readonly ExpertConfig[] {
  if (table.keys.length === 0 || table.keys.length > MOST_EXPERTS)
    throw new TableError(`${path}.experts: expected 1 to ${MOST_EXPERTS} experts, found ${table.keys.length}`)
  return table.keys.map((name) => {
    if (!NAME.test(name) || RESERVED.includes(name))
      throw new TableError(
        `${path}.experts.${name}: expected a name of letters, digits, "_", "-" and ".", and none of ${RESERVED.join(", ")}`,
      )
    return parseExpert(name, table.table(name)!, timeoutMs)
  })
}

function parseConsult(table: TableReader | undefined): ConsultPolicy | undefined {
  if (table === undefined) return undefined
  const policy = {
    kind: table.oneOf("kind", CONSULT_KINDS) ?? "synthesis",
    numExperts: table.whole("experts", 2, 4) ?? 3,
    from: table.number("from", 0, 1) ?? 0.6,
  }
  table.end()
  return policy
}

function parseBreaker(table: TableReader | undefined): BreakerPolicy {
  const policy = {
    maxFailures: table?.whole("max-failures", 1, 1000) ?? 3,
    firstBackoffMs: table?.duration("first-backoff") ?? 1000,
    mostBackoffMs: table?.duration("most-backoff") ?? 60_000,
    quietMs: table?.duration("quiet") ?? 300_000,
    jitter: 0.1,
    seed: 1,
  }
  table?.end()
  return policy
}

/** What no single table can say. */
function checkExperts(experts: readonly ExpertConfig[], path: string): void {
  const byName = new Map(experts.map((expert) => [expert.name, expert]))
  for (const { name, standby, kind } of experts) {
    if (standby === undefined) continue
    const other = byName.get(standby)
    if (other === undefined || other.name === name || other.kind === "onnx" || kind === "onnx")
      throw new TableError(
        `${path}.experts.${name}.standby: expected another expert that answers, found ${JSON.stringify(standby)}`,
      )
  }
  const generalists = experts.filter(({ isGeneralist }) => isGeneralist)
  if (generalists.length > 1 || generalists[0]?.kind === "onnx")
    throw new TableError(
      `${path}.experts: expected at most one generalist, one that answers, found ${generalists.map(({ name }) => name).join(", ")}`,
    )
  if (experts.every(({ kind }) => kind === "onnx"))
    throw new TableError(`${path}.experts: expected an expert that answers: a local or a remote one, found only onnx`)
}
