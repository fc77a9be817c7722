import {
  type CostRouter,
  createCostRouter,
  createLearnedRouter,
  decodeRouter,
  encodeRouter,
  type ExampleSet,
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
import { readableBytes } from "../progressBar.ts"
import { reportRouter } from "./reportRouter.ts"

const HELD_OUT = 0.2
const OWN = ["text", "label", "cheap", "strong", "kind", "out", "seed", "svg"]

/** Trains a router, or judges one, as the words after `fleet` say; returns the exit code. @throws UsageError, RouterError */
export function runFleetAction(args: readonly string[]): number {
  const [action, ...rest] = args
  const { positionals, own } = parseCommandLine(rest, OWN)
  const option = (name: string): string | undefined => own[name]?.at(-1)
  if (action === "train") return train(positionals, option)
  if (action === "evaluate") return evaluate(positionals, option)
  throw new UsageError(`expected train or evaluate, found ${action ?? "nothing"}`)
}

type Option = (name: string) => string | undefined

function train(paths: readonly string[], option: Option): number {
  if (paths.length === 0) throw new UsageError("expected a file of examples, found none")
  const seed = wholeNumber("seed", option("seed") ?? "0")
  const kind = option("kind") ?? "mlp"
  if (kind !== "linear" && kind !== "mlp") throw new UsageError(`--kind: expected linear or mlp, found ${kind}`)
  const { experts, examples } = readSet(paths, option)
  const { held, rest } = splitExamples(examples, stratumOf, HELD_OUT, seed)
  console.log(
    `${examples.length} examples of ${experts.length} experts: ${rest.length} to learn from, ${held.length} held out`,
  )
  const weights = trainRouter(rest, {
    experts,
    task: option("cheap") === undefined ? "choose" : "cost-quality",
    model: kind,
    seed,
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

function evaluate([router, ...paths]: readonly string[], option: Option): number {
  if (router === undefined || paths.length === 0)
    throw new UsageError("expected a router and a file of examples, found fewer")
  const loaded = loadRouter(router)
  const examples = placeTargets(readSet(paths, option), loaded.experts, paths.join(", "))
  const unseen = unseenBy(loaded.weights, examples)
  const numSeen = examples.length - unseen.length
  if (unseen.length === 0)
    throw new UsageError(`${paths.join(", ")}: the router was trained on all ${numSeen} rows: expected others`)
  if (numSeen > 0) console.log(`${numSeen} rows that the router was trained on are left out`)
  judge(loaded, unseen, option)
  return 0
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
