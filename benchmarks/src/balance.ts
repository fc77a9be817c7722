import { createArena } from "@consilium/kernels"
import { createTransformer, ensurePrepared, openPreparedModel } from "@consilium/model"
import { createEngineExperts, type EngineExperts, type ResidencyReport, type RoutingPolicy } from "@consilium/serving"
import { createBackend } from "./createBackend.ts"
import { createQuestionEncoder } from "./createQuestionEncoder.ts"
import { largestId } from "./largestId.ts"
import { QUESTIONS } from "./paging/questions.ts"
import type { Measurement, Suite, SuiteOptions, Unit } from "./Suite.ts"

const OFF = { mode: "balanced", biasRate: 0, routerNoise: 0, capacityFactor: null } as const
const WAYS: Readonly<Record<string, RoutingPolicy>> = {
  exact: { mode: "exact" },
  "bias 0.001": { ...OFF, biasRate: 0.001 },
  "noise 0.3": { ...OFF, routerNoise: 0.3 },
  "noise 1": { ...OFF, routerNoise: 1 },
  "capacity 1.5": { ...OFF, capacityFactor: 1.5 },
  "capacity 1.2": { ...OFF, capacityFactor: 1.2 },
  "bias 0.001, noise 0.3, capacity 1.5": { mode: "balanced", biasRate: 0.001, routerNoise: 0.3, capacityFactor: 1.5 },
}
const MAX_TOKENS = 64
const CAPACITY = 512
/** A bias takes time to settle: rounds before the one that counts. */
const NUM_WARM = 2
const HOUR_MS = 3_600_000

/** Load-aware routing by each of its means: what operators see of it, and what becomes of the model's own answers. */
export const balance: Suite = {
  name: "balance",
  question:
    "How even does load-aware routing make the load of experts, and how far does it take the model from itself?",
  takes: ["model", "format", "backend"],
  compares: false,
  flags: [],
  plot: "bars",
  async *run(options) {
    const { expect, report, signal } = options
    expect(Object.keys(WAYS).length * 6)
    report("answering")
    const texts = await withExperts(options, WAYS.exact!, (model) =>
      answer(model, QUESTIONS.map(createQuestionEncoder(options.modelDir))),
    )
    for (const [contender, policy] of Object.entries(WAYS)) {
      // The model blocks this thread: let Ctrl-C in.
      await Bun.sleep(0)
      signal.throwIfAborted()
      report(contender)
      const { surprise, kept, residency } = await withExperts(options, policy, (model) => {
        for (let round = 0; round < NUM_WARM; round++) reread(model, texts)
        model.forget()
        return { ...reread(model, texts), residency: model.residency() }
      })
      const { imbalance, plainImbalance, drift } = residency
      const one = (name: string, unit: Unit, sample: number): Measurement => ({
        name,
        contender,
        unit,
        samples: [sample],
      })
      yield one("imbalance of the worst layer", "max/mean", imbalance)
      yield one("imbalance of the worst layer, by the router's own choice", "max/mean", plainImbalance)
      yield one("assignments that stay", "%", 100 * (1 - drift.moved))
      yield one("weights' divergence from the router's own", "nats", drift.kl)
      yield one("surprise at a token of its own answers", "nats", surprise)
      yield one("next tokens that stay", "%", 100 * kept)
    }
  },
}

/** A question with the model's answer. */
interface Text {
  readonly ids: readonly number[]
  readonly numPrompt: number
}

interface BalancedModel {
  /** Runs the next ids of some texts, in one step; returns each one's logits after its last. */
  run(
    rows: readonly { readonly slotId: number; readonly ids: readonly number[]; readonly past: number }[],
  ): Float32Array[]
  readonly eosIds: readonly number[]
  residency(): ResidencyReport
  /** Lets so much time pass that earlier load weighs nothing. */
  forget(): void
}

/** Runs `body` with the model that was asked for, its experts awake and routed to by a policy. */
async function withExperts<T>(
  { modelDir, cacheDir, format, backend: backendName, numThreads }: SuiteOptions,
  routing: RoutingPolicy,
  body: (model: BalancedModel) => T,
): Promise<T> {
  const { dir } = await ensurePrepared({ sourceDir: modelDir, format, cacheDir, onProgress: () => {} })
  const prepared = openPreparedModel(dir, modelDir)
  const arena = createArena()
  const backend = createBackend(backendName, arena, numThreads)
  let nowMs = HOUR_MS
  const experts: EngineExperts = createEngineExperts(prepared, backend, {
    enablesFaults: false,
    idleMs: Number.POSITIVE_INFINITY,
    allowsOtherText: true,
    routing,
    maxRows: CAPACITY,
    nowMs: () => nowMs,
    onChange: () => {},
  })
  const numSlots = QUESTIONS.length
  const transformer = createTransformer({ prepared, backend, numSlots, capacity: CAPACITY, maxRows: CAPACITY, experts })
  experts.start(experts.store.frameBytes * experts.store.table.numInstances)
  try {
    return body({
      eosIds: prepared.config.eosIds,
      run(rows) {
        let firstRow = 0
        const slots = rows.map(({ slotId, ids, past }) => {
          firstRow += ids.length
          const { length: numRows } = ids
          return { slotId, firstRow: firstRow - numRows, numRows, pastLength: past, wantsLogits: true }
        })
        transformer.run({ numRows: firstRow, ids: Int32Array.from(rows.flatMap(({ ids }) => [...ids])), slots })
        experts.stepDone()
        return rows.map((_, i) => transformer.logits(i))
      },
      residency: () => experts.report().residency,
      forget: () => void (nowMs += HOUR_MS),
    })
  } finally {
    transformer.close()
    experts.close()
    backend.close()
    arena.close()
    prepared.close()
  }
}

/** Has the model answer, greedily, all questions together. */
function answer(model: BalancedModel, prompts: readonly (readonly number[])[]): Text[] {
  const texts = prompts.map((prompt) => ({ ids: [...prompt], numPrompt: prompt.length }))
  let open = texts.map((text, slotId) => ({ slotId, text, past: 0 }))
  // Prompts one after the other, then a token of each answer a step.
  for (const one of open)
    one.text.ids.push(largestId(model.run([{ slotId: one.slotId, ids: one.text.ids, past: 0 }])[0]!))
  for (let n = 1; n < MAX_TOKENS; n++) {
    open = open.filter(({ text }) => !model.eosIds.includes(text.ids.at(-1)!))
    if (open.length === 0) break
    const rows = open.map(({ slotId, text: { ids } }) => ({ slotId, ids: ids.slice(-1), past: ids.length - 1 }))
    model.run(rows).forEach((logits, i) => void open[i]!.text.ids.push(largestId(logits)))
  }
  return texts
}

/** Has the model read its own answers as it would have written them; returns how it takes to them. */
function reread(model: BalancedModel, texts: readonly Text[]): { readonly surprise: number; readonly kept: number } {
  let surprise = 0
  let numKept = 0
  let numTokens = 0
  const judge = (logits: Float32Array, id: number): void => {
    surprise += surpriseAt(logits, id)
    numKept += largestId(logits) === id ? 1 : 0
    numTokens++
  }
  for (const [slotId, { ids, numPrompt }] of texts.entries())
    judge(model.run([{ slotId, ids: ids.slice(0, numPrompt), past: 0 }])[0]!, ids[numPrompt]!)
  for (let n = 1; n < MAX_TOKENS; n++) {
    const open = [...texts.entries()].filter(([, { ids, numPrompt }]) => numPrompt + n < ids.length)
    if (open.length === 0) break
    const rows = open.map(([slotId, { ids, numPrompt }]) => {
      const past = numPrompt + n - 1
      return { slotId, ids: [ids[past]!], past }
    })
    model.run(rows).forEach((logits, i) => judge(logits, open[i]![1].ids[rows[i]!.past + 1]!))
  }
  return { surprise: surprise / numTokens, kept: numKept / numTokens }
}

/** Returns how unlikely a token is, in nats. */
function surpriseAt(logits: Float32Array, id: number): number {
  const most = logits[largestId(logits)]!
  let sum = 0
  for (const logit of logits) sum += Math.exp(logit - most)
  return most + Math.log(sum) - logits[id]!
}
