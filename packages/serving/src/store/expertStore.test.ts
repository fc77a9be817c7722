/** The embedded model with its experts in a store, under budgets of few or many of them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createArena, createReferenceBackend, createX64Backend, type Backend, bestIsa, runnableIsas } from "@consilium/kernels"
import { createTransformer, ensurePrepared, openPreparedModel, type PreparedModel, type StepBatch, type Transformer } from "@consilium/model"
import { miniModelDir } from "@consilium/testing"
import { closeSync, cpSync, mkdtempSync, openSync, rmSync, truncateSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createEngineExperts, type EngineExperts } from "./createEngineExperts.ts"
import { ExpertFault } from "./ExpertFault.ts"
import { STATE } from "./ExpertTable.ts"

const cacheDir = mkdtempSync(join(tmpdir(), "consilium-store-"))
let preparedDir: string
beforeAll(async () => {
  const options = { sourceDir: miniModelDir(), format: "int8", cacheDir, onProgress: () => {} } as const
  preparedDir = (await ensurePrepared(options)).dir
})
afterAll(() => rmSync(cacheDir, { recursive: true, force: true }))

const PROMPT = Array.from({ length: 70 }, (_, i) => (i * 37) % 4000)

interface Opened {
  readonly prepared: PreparedModel
  readonly backend: Backend
  readonly transformer: Transformer
  readonly experts: EngineExperts | undefined
}

function createBackend(name: "x64" | "reference", arena: ReturnType<typeof createArena>): Backend {
  return name === "x64" ? createX64Backend(arena, { isa: bestIsa(), numThreads: 2 }) : createReferenceBackend(arena)
}

/** Runs `body` with the model; `numAwake` experts may be awake, all where there is no store. Nothing must be left afterwards. */
function withModel<T>(name: "x64" | "reference", numAwake: number | undefined, body: (opened: Opened) => T, dir = preparedDir): T {
  const arena = createArena({})
  const backend = createBackend(name, arena)
  const prepared = openPreparedModel(dir, miniModelDir())
  const experts = numAwake === undefined ? undefined : createEngineExperts(prepared, backend)
  const transformer = createTransformer({
    prepared,
    backend,
    numSlots: 2,
    capacity: 128,
    maxRows: 80,
    ...(experts === undefined ? {} : { experts }),
  })
  try {
    experts?.start(numAwake! * experts.store.frameBytes)
    return body({ prepared, backend, transformer, experts })
  } finally {
    transformer.close()
    experts?.close()
    backend.close()
    prepared.close()
    expect(experts?.store.residency.usedBytes ?? 0).toBe(0)
    arena.close()
  }
}

/** Logits of a prompt in one chunk, then of some tokens one by one. */
function logitsOf({ transformer }: Opened, numDecoded = 6): Float32Array[] {
  const run = (ids: readonly number[], pastLength: number): Float32Array => {
    const slot = { slotId: 0, firstRow: 0, numRows: ids.length, pastLength, wantsLogits: true }
    const batch: StepBatch = { numRows: ids.length, ids: Int32Array.from(ids), slots: [slot] }
    transformer.run(batch)
    return transformer.logits(0).slice()
  }
  const all = [run(PROMPT, 0)]
  for (let t = 0; t < numDecoded; t++) {
    const last = all.at(-1)!
    all.push(run([last.indexOf(Math.max(...last))], PROMPT.length + t))
  }
  return all
}

const backends = (["reference", "x64"] as const).filter((name) => name !== "x64" || runnableIsas().length > 0)
if (!backends.includes("x64")) console.log("x64: skipped, this is no Linux on x64 with AVX2")

describe.each([...backends])("ExpertStore, %s", (name) => {
  test("streamed is resident: a budget of any size gives the same bits", () => {
    const resident = withModel(name, undefined, logitsOf)
    for (const numAwake of [1, 2, 3, 7, 20, 48]) {
      withModel(name, numAwake, (opened) => {
        const { table, residency } = opened.experts!.store
        expect(logitsOf(opened), `${numAwake} awake`).toEqual(resident)
        expect(table.states.filter((state) => state === STATE.awake).length).toBeLessThanOrEqual(numAwake)
        expect(residency.usedBytes).toBeLessThanOrEqual(numAwake * opened.experts!.store.frameBytes)
      })
    }
  })
})

describe("ExpertStore", () => {
  test("wakes all at the start where they fit, and reads nothing more", () =>
    withModel("reference", 48, (opened) => {
      const { table, residency } = opened.experts!.store
      expect(table.states.filter((state) => state === STATE.awake).length).toBe(48)
      logitsOf(opened, 1)
      expect(residency.counters).toMatchObject({ readBytes: 0, numSlept: 0 })
    }))

  test("a chunk of prefill reads each expert once, however few fit", () =>
    withModel("reference", 2, (opened) => {
      const { table, residency } = opened.experts!.store
      logitsOf(opened, 0)
      const used = new Set<string>()
      table.layers.forEach(({ layer }) => {
        const routing = opened.transformer.routing(layer)!
        routing.expertIds.subarray(0, PROMPT.length * routing.topK).forEach((id) => used.add(`${layer} ${id}`))
      })
      expect(residency.counters.numWoken).toBe(used.size)
    }))

  test("lower targets put experts to sleep and give their memory back; answers stay", () =>
    withModel("reference", 48, (opened) => {
      const before = logitsOf(opened)
      const { store } = opened.experts!
      const { usedBytes } = opened.backend.arena
      store.residency.limits.targets.fill(2)
      store.residency.shrink(store.mayEvict)
      expect([...store.table.numHeld]).toEqual(store.table.layers.map(() => 2))
      expect(usedBytes - opened.backend.arena.usedBytes).toBe(36 * store.frameBytes)
      expect(logitsOf(opened)).toEqual(before)
      expect(Math.max(...store.table.numHeld)).toBe(2)
      store.residency.limits.targets.fill(8)
      expect(logitsOf(opened)).toEqual(before)
    }))

  test("an expert that is damaged on disk, or cut off, is a fault that names it", () => {
    const damagedDir = join(cacheDir, "damaged")
    cpSync(preparedDir, damagedDir, { recursive: true })
    const prepared = openPreparedModel(preparedDir, miniModelDir())
    const { offset, bytes } = prepared.layers[2]!.experts[5]!
    const { slabsPath } = prepared
    prepared.close()
    const path = slabsPath.replace(preparedDir, damagedDir)
    const handle = openSync(path, "r+")
    writeSync(handle, Uint8Array.of(1, 2, 3), 0, 3, offset + bytes - 3)
    closeSync(handle)
    const faultOf = (opened: Opened): unknown => {
      try {
        logitsOf(opened)
      } catch (error) {
        return error
      }
      return undefined
    }
    withModel(
      "reference",
      4,
      (opened) => {
        const fault = faultOf(opened)
        expect(fault).toBeInstanceOf(ExpertFault)
        expect(fault).toMatchObject({ kind: "checksum", layer: 2, instance: 5 })
        truncateSync(path, offset + 100)
        expect(String(faultOf(opened))).toContain("layer 2 expert 5: expected")
      },
      damagedDir,
    )
  })
})
