/** The embedded model's engine as a process, in the reference's own format: what tests ask of it, and what it must answer. */
import { ensurePrepared, GREEDY } from "@consilium/model"
import { miniModelDir, readFixtureJson } from "@consilium/testing"
import { Context, Effect, Layer, type Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Engine, type EngineApi, type EngineOptions } from "../src/index.ts"

interface Conversation {
  readonly name: string
  readonly prompt_ids: number[]
  readonly output_ids: number[]
}

export const { conversations } = readFixtureJson<{ conversations: Conversation[] }>(
  join(miniModelDir(), "expected.json"),
)
const EOS = 4089
export const cacheDir = mkdtempSync(join(tmpdir(), "consilium-engine-"))
let start: EngineOptions["start"]

export async function prepareEngine(): Promise<void> {
  const { dir } = await ensurePrepared({
    sourceDir: miniModelDir(),
    format: "f32",
    cacheDir,
    onProgress: () => {},
  })
  start = {
    modelId: "mini",
    sourceDir: miniModelDir(),
    preparedDir: dir,
    backend: "onnx",
    numThreads: 2,
    numSlots: 4,
    contextLength: 1024,
    memoryBytes: 2 ** 31,
    maxWaiting: 64,
    debug: 0,
    enablesFaults: true,
    expertIdleMs: null,
    allowsOtherText: true,
    routing: { mode: "exact" },
  }
}

export function removeEngine(): void {
  rmSync(cacheDir, { recursive: true, force: true })
}

export const requestOf = (requestId: string, ids: readonly number[], maxTokens = 64) => ({
  requestId,
  ids,
  sampling: GREEDY,
  seed: 1,
  choice: 0,
  maxTokens,
  stopIds: [EOS],
  trace: false,
})

/** Where the model lies, prepared. */
export const preparedDir = (): string => start.preparedDir

/** Starts an engine in the test's scope. */
export const engineWith = (
  change: Partial<EngineOptions["start"]> = {},
  options: Partial<Omit<EngineOptions, "start">> = {},
): Effect.Effect<EngineApi, never, Scope.Scope> =>
  Layer.build(Engine.layer({ start: { ...start, ...change }, maxQueue: 64, ...options })).pipe(
    Effect.map((context) => Context.get(context, Engine)),
  )

/** Runs a request; returns its ids. `onIds` is told of all so far with each token. */
export const idsOf = (
  engine: EngineApi,
  request: ReturnType<typeof requestOf>,
  onIds: (ids: readonly number[]) => void = () => {},
) => {
  const ids: number[] = []
  return Effect.as(
    engine.generate(request, (event) => {
      if (event.type !== "tokens") return
      ids.push(...event.tokens.map(({ id }) => id))
      onIds(ids)
    }),
    ids,
  )
}

/** A recorded conversation of the model's. */
export const conversation = (name: string): Conversation => conversations.find((other) => other.name === name)!
/** Its answer, without the end of the sequence. */
export const answerOf = ({ output_ids }: Conversation): number[] => output_ids.filter((id) => id !== EOS)

/** Engines that a process has started. */
export const pidOf = (parent: number): number[] =>
  Bun.spawnSync(["pgrep", "-P", String(parent), "-f", "engine/main.ts"])
    .stdout.toString()
    .split("\n")
    .filter(Boolean)
    .map(Number)
