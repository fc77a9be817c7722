/** The embedded model in this process, its experts in a store or without one, run step by step as the engine does. */
import { createTieredBackend, type TieredBackend } from "@consilium/gpu"
import {
  type Arena,
  createArena,
  createReferenceBackend,
  createX64Backend,
  type Backend,
  bestIsa,
  runnableIsas,
} from "@consilium/kernels"
import {
  createTransformer,
  ensurePrepared,
  openPreparedModel,
  type StepBatch,
  type Transformer,
} from "@consilium/model"
import { miniModelDir } from "@consilium/testing"
import { closeSync, cpSync, mkdtempSync, openSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { FakeDevice } from "@consilium/gpu/fake"
import type { Degradation } from "../src/protocol.ts"
import { createEngineExperts, type EngineExperts, type EngineExpertsOptions } from "../src/store/createEngineExperts.ts"

export const cacheDir = mkdtempSync(join(tmpdir(), "consilium-store-"))

/** Backends that run here. */
export const BACKENDS = (["reference", "x64"] as const).filter((name) => name !== "x64" || runnableIsas().length > 0)
if (!BACKENDS.includes("x64")) console.log("x64: skipped, this is no Linux on x64 with AVX2")

/** Of a device, before most of it is reserved. */
const MEMORY = 2 ** 40

export let preparedDir: string

/** Prepares the model in `cacheDir`, int8. */
export async function prepareMini(): Promise<void> {
  const options = {
    sourceDir: miniModelDir(),
    format: "int8",
    cacheDir,
    onProgress: () => {},
  } as const
  preparedDir = (await ensurePrepared(options)).dir
}

export interface Opened {
  readonly backend: Backend
  /** The same, where it is one over a device. */
  readonly tiered: TieredBackend | undefined
  readonly transformer: Transformer
  readonly experts: EngineExperts | undefined
}

export interface OpenOptions {
  readonly backend?: (typeof BACKENDS)[number]
  /** Experts that memory holds; without it the transformer holds all itself. */
  readonly numAwake?: number
  readonly options?: Partial<EngineExpertsOptions>
  /** Memory domains, told apart by their segments alone. */
  readonly numDomains?: number
  /** Computes beside the backend; beside all else it has room for so many experts. */
  readonly device?: {
    readonly open: (arena: Arena) => FakeDevice
    readonly numExperts: number
    readonly nowMs: () => number
  }
  /** The expert whose bytes on disk are spoilt. */
  readonly damage?: { readonly layer: number; readonly expert: number }
  readonly isRestart?: boolean
}

/** Runs `body` with the model; nothing must be left afterwards. */
export function withModel<T>(
  {
    backend: name = BACKENDS.at(-1)!,
    numAwake,
    options,
    numDomains = 1,
    device,
    damage,
    isRestart = false,
  }: OpenOptions,
  body: (opened: Opened) => T,
): T {
  const arena = createArena({ domains: Array.from({ length: numDomains }, () => undefined) })
  const home =
    name === "x64" ? createX64Backend(arena, { isa: bestIsa(), numThreads: 2 }) : createReferenceBackend(arena)
  const tiered =
    device &&
    createTieredBackend(device.open(arena), home, {
      budgetBytes: MEMORY,
      nowMs: device.nowMs,
      probe: () => undefined,
      onChange: () => {},
    })
  const backend = tiered ?? home
  const prepared = openPreparedModel(damage === undefined ? preparedDir : damagedCopy(damage), miniModelDir())
  const experts =
    numAwake === undefined
      ? undefined
      : createEngineExperts(prepared, backend, {
          enablesFaults: true,
          idleMs: Number.POSITIVE_INFINITY,
          allowsOtherText: true,
          maxRows: 80,
          nowMs: Date.now,
          onChange: () => {},
          ...(tiered === undefined ? {} : { tiered }),
          ...options,
        })
  const transformer = createTransformer({
    prepared,
    backend,
    numSlots: 2,
    capacity: 128,
    maxRows: 80,
    ...(experts === undefined ? {} : { experts }),
  })
  try {
    if (tiered !== undefined) {
      const bytes = experts?.store.table.files[0]!.entry.bytes ?? 0
      tiered.tier.reserve(MEMORY - tiered.tier.usedBytes - device!.numExperts * bytes)
    }
    experts?.start(numAwake! * experts.store.frameBytes, { isRestart })
    return body({ backend, tiered, transformer, experts })
  } finally {
    transformer.close()
    experts?.close()
    backend.close()
    prepared.close()
    const left = experts?.store.residency.usedBytes ?? 0
    arena.close()
    // oxlint-disable-next-line no-unsafe-finally -- a leak is worse than what `body` threw
    if (left !== 0) throw new Error(`${left} bytes of experts are left`)
  }
}

function damagedCopy({ layer, expert }: { readonly layer: number; readonly expert: number }): string {
  const dir = join(cacheDir, `damaged-${layer}-${expert}`)
  cpSync(preparedDir, dir, { recursive: true })
  const prepared = openPreparedModel(dir, miniModelDir())
  const { offset, bytes } = prepared.layers[layer]!.experts[expert]!
  prepared.close()
  const handle = openSync(prepared.slabsPath, "r+")
  writeSync(handle, Uint8Array.of(1, 2, 3), 0, 3, offset + bytes - 3)
  closeSync(handle)
  return dir
}

export const PROMPT = Array.from({ length: 70 }, (_, i) => (i * 37) % 4000)

/** Logits of a prompt in one chunk, then of some tokens one by one, up the ladder where a step fails; and the rungs used. */
export function runPrompt(
  { transformer, experts }: Opened,
  numDecoded = 6,
): { readonly logits: Float32Array[]; readonly rungs: Degradation[] } {
  const rungs = new Map<string, Degradation>()
  const run = (ids: readonly number[], pastLength: number): Float32Array => {
    const slot = { slotId: 0, firstRow: 0, numRows: ids.length, pastLength, wantsLogits: true }
    const batch: StepBatch = { numRows: ids.length, ids: Int32Array.from(ids), slots: [slot] }
    for (;;) {
      try {
        transformer.run(batch)
        break
      } catch (error) {
        const climb = experts?.climb(error)
        if (climb === undefined) throw error
        if (climb.type === "give-up") throw new Error(climb.message, { cause: error })
      }
    }
    for (const rung of experts?.stepDone() ?? []) rungs.set(JSON.stringify(rung), rung)
    return transformer.logits(0).slice()
  }
  const logits = [run(PROMPT, 0)]
  for (let t = 0; t < numDecoded; t++) {
    const last = logits.at(-1)!
    logits.push(run([last.indexOf(Math.max(...last))], PROMPT.length + t))
  }
  return { logits, rungs: [...rungs.values()] }
}
