import {
  type CostRouter,
  createCostRouter,
  createLearnedRouter,
  decodeRouter,
  describeEmbedder,
  embedExamples,
  type EmbedderMark,
  encodeRouter,
  type ExampleSet,
  isSameEmbedder,
  type LearnedRouter,
  loadRouter,
  readExamples,
  type RouterExample,
  splitExamples,
  stratumOf,
  type TargetColumns,
  trainRouter,
  unseenBy,
} from "@consilium/fleet"
import { writeFileSync } from "node:fs"
import { basename } from "node:path"
import { UsageError } from "../Command.ts"
import { parseCommandLine } from "../parseCommandLine.ts"
import { progressBar, readableBytes } from "../progressBar.ts"
import type { Settings } from "../../settings/Settings.ts"
import { embedderTable, openTableEmbedder } from "../openTableEmbedder.ts"
import { reportRouter } from "./reportRouter.ts"

const HELD_OUT = 0.2
const OWN = ["text", "label", "cheap", "strong", "kind", "embedder", "out", "seed", "svg"]
/** A remote embedder has so long for a batch of texts. */
const BATCH_MS = 60_000

/** Trains a router, or judges one, as the words after `fleet` say; returns the exit code. @throws UsageError, RouterError */
export async function runFleetAction(args: readonly string[]): Promise<number> {
  const [action, ...rest] = args
  const { positionals, own, settings } = parseCommandLine(rest, OWN)
  const option = (name: string): string | undefined => own[name]?.at(-1)
  if (action === "train") return train(positionals, option, settings)
  if (action === "evaluate") return evaluate(positionals, option, settings)
  throw new UsageError(`expected train or evaluate, found ${action ?? "nothing"}`)
}

type Option = (name: string) => string | undefined

async function train(paths: readonly string[], option: Option, settings: Settings): Promise<number> {
  if (paths.length === 0) throw new UsageError("expected a file of examples, found none")
  const seed = wholeNumber("seed", option("seed") ?? "0")
  const kind = option("kind") ?? "mlp"
  if (kind !== "linear" && kind !== "mlp") throw new UsageError(`--kind: expected linear or mlp, found ${kind}`)
  const { experts, examples: read } = readSet(paths, option)
  const { examples, embedder } = await embed(read, option("embedder"), settings)
  const { held, rest } = splitExamples(examples, stratumOf, HELD_OUT, seed)
  console.log(
    `${examples.length} examples of ${experts.length} experts: ${rest.length} to learn from, ${held.length} held out`,
  )
  const weights = trainRouter(rest, {
    experts,
    task: option("cheap") === undefined ? "choose" : "cost-quality",
    model: kind,
    seed,
    ...(embedder && { embedder }),
    onProgress: (line) => console.error(line),
  })
  const bytes = encodeRouter(weights)
  const out = option("out") ?? `${basename(paths[0]!, ".csv")}.router`
  // What is judged is what the file holds; and what cannot be read again is not written.
  const kept = decodeRouter(bytes, out)
  writeFileSync(out, bytes)
  judge(kept.tradeOff === undefined ? createLearnedRouter(kept) : createCostRouter(kept), held, option)
  console.log(`${out}: ${readableBytes(bytes.length)}`)
  return 0
}

async function evaluate([router, ...paths]: readonly string[], option: Option, settings: Settings): Promise<number> {
  if (router === undefined || paths.length === 0)
    throw new UsageError("expected a router and a file of examples, found fewer")
  const loaded = loadRouter(router)
  const examples = placeTargets(readSet(paths, option), loaded.experts, paths.join(", "))
  const unseen = unseenBy(loaded.weights, examples)
  const numSeen = examples.length - unseen.length
  if (unseen.length === 0)
    throw new UsageError(`${paths.join(", ")}: the router was trained on all ${numSeen} rows: expected others`)
  if (numSeen > 0) console.log(`${numSeen} rows that the router was trained on are left out`)
  const { embedder: wanted } = loaded.weights
  const { examples: judged, embedder } = await embed(unseen, wanted?.kind, settings)
  if (wanted !== undefined && embedder !== undefined && !isSameEmbedder(wanted, embedder))
    throw new UsageError(
      `${router}: expected the embedder ${describeEmbedder(wanted)} in [fleet.embedder], found ${describeEmbedder(embedder)}`,
    )
  judge(loaded, judged, option)
  return 0
}

/** Embeds examples by an embedder of this kind, where there is one; returns which one it was. */
async function embed(
  examples: readonly RouterExample[],
  kind: string | undefined,
  settings: Settings,
): Promise<{ readonly examples: readonly RouterExample[]; readonly embedder?: EmbedderMark }> {
  if (kind === undefined) return { examples }
  if (kind !== "local" && kind !== "onnx" && kind !== "remote")
    throw new UsageError(`--embedder: expected local, onnx or remote, found ${kind}`)
  const embedder = await openTableEmbedder("fleet.embedder", embedderTable(kind), settings, BATCH_MS)
  const bar = progressBar(`embedding ${examples.length} texts`)
  try {
    const embedded = await embedExamples(examples, embedder, (done) => bar.update(done, examples.length))
    return { examples: embedded, embedder: embedder.mark }
  } finally {
    bar.end()
    await embedder.close()
  }
}

function readSet(paths: readonly string[], option: Option): ExampleSet {
  const [cheap, strong, label] = [option("cheap"), option("strong"), option("label")]
  if ((cheap === undefined) !== (strong === undefined))
    throw new UsageError("expected --cheap and --strong together, found one of them")
  if (cheap !== undefined && label !== undefined)
    throw new UsageError("expected --label, or --cheap and --strong, found all of them")
  const columns: TargetColumns = cheap === undefined ? { label: label ?? "label" } : { cheap, strong: strong! }
  return readExamples(paths, option("text") ?? "text", columns)
}

/** Brings targets into a router's order of experts. @throws UsageError on an expert that the router does not know */
function placeTargets(set: ExampleSet, experts: readonly string[], source: string): RouterExample[] {
  const places = set.experts.map((name) => experts.indexOf(name))
  const unknown = set.experts[places.indexOf(-1)]
  if (unknown !== undefined)
    throw new UsageError(
      `${source}: expected the router's experts (${experts.slice(0, 8).join(", ")}${experts.length > 8 ? " …" : ""}), found ${unknown}`,
    )
  return set.examples.map(({ request, targets }) => {
    const placed = new Float32Array(experts.length)
    for (const [e, target] of targets.entries()) placed[places[e]!] = target
    return { request, targets: placed }
  })
}

function judge(router: LearnedRouter | CostRouter, examples: readonly RouterExample[], option: Option): void {
  if (examples.length === 0) {
    console.log("too few examples to hold any out: nothing is judged")
    return
  }
  const { lines, svg } = reportRouter(router, examples)
  for (const line of lines) console.log(line)
  const path = option("svg")
  if (path === undefined) return
  writeFileSync(path, svg)
  console.log(`drawn: ${path}`)
}

function wholeNumber(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new UsageError(`--${name}: expected a whole number, found ${text}`)
}
