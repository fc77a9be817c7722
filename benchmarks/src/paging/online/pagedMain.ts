/** A process that decodes with more experts than memory holds, routed as a trace says. Started by `runPaged` only. */
import { createRouting, type Routing } from "@consilium/gating"
import { type Arena, createArena, createReadQueue, planExpertSlab, type Slab, type Span } from "@consilium/kernels"
import { residentExperts } from "@consilium/experts"
import {
  alignPart,
  createTransformer,
  type ModelExperts,
  openDirect,
  openPreparedModel,
  type PreparedModel,
  weightBytes,
} from "@consilium/model"
import type { ExpertTrace } from "@consilium/scheduling"
import { createEngineExperts, type EngineExperts } from "@consilium/serving"
import { dlopen, FFIType, ptr } from "bun:ffi"
import { closeSync, fsyncSync, mkdirSync, openSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createBackend } from "../../createBackend.ts"
import type { PagedResult, PagedStart } from "./PagedRun.ts"
import { pagedTrace } from "./pagedTrace.ts"

const start = JSON.parse(process.argv[2]!) as PagedStart
/** What the process takes beside weights and contexts. */
const RESERVE_BYTES = 320 * 2 ** 20
const CAPACITY = 1024

const prepared = openPreparedModel(start.preparedDir, start.sourceDir)
const bytes = weightBytes(prepared)
const budgetBytes = Math.ceil(bytes.experts * start.share)
const limitBytes = bytes.all - bytes.experts + budgetBytes + RESERVE_BYTES
const diskBytesPerSec = measureDisk(prepared)
dropCached(prepared.slabsPath)
if (start.cgroup !== undefined) joinCgroup(start.cgroup, limitBytes)

const arena = withMappings(createArena({}))
const backend = createBackend("x64", arena, start.numThreads)
const trace = pagedTrace(prepared, start)
const routed = createTracedRouting(trace)
const store = start.pager === "store" ? openStore() : undefined
const experts: ModelExperts = store === undefined ? mappedExperts(prepared, arena) : tracedExperts(store)
const transformer = createTransformer({ prepared, backend, numSlots: 1, capacity: CAPACITY, maxRows: 8, experts })
store?.start(budgetBytes)

const batch = { numRows: 1, ids: new Int32Array(1), slots: [slotAt(0)] }
const stepsMs: number[] = []
let before = { readBytes: 0, aheadBytes: 0 }
for (let step = 0; step < start.numSteps; step++) {
  if (step === start.numWarmSteps && store !== undefined) before = { ...store.store.residency.counters }
  routed.setStep(step)
  batch.ids[0] = 1 + ((step * 7919) % 1000)
  batch.slots[0] = slotAt(step)
  const started = performance.now()
  transformer.run(batch)
  if (step >= start.numWarmSteps) stepsMs.push(performance.now() - started)
  store?.stepDone()
}
const after = store?.store.residency.counters ?? before
const result: PagedResult = {
  stepsMs,
  readBytes: after.readBytes - before.readBytes,
  aheadBytes: after.aheadBytes - before.aheadBytes,
  numNeeded: trace.header.numLayers * trace.header.topK * (start.numSteps - start.numWarmSteps),
  expertBytes: prepared.layers[0]!.experts[0]!.bytes,
  diskBytesPerSec,
  residentBytes: process.memoryUsage.rss(),
  limitBytes,
}
process.stdout.write(JSON.stringify(result))
process.exit(0)

function slotAt(pastLength: number) {
  return { slotId: 0, firstRow: 0, numRows: 1, pastLength: pastLength % (CAPACITY - 1), wantsLogits: true }
}

/** Experts in our store, told by the trace what comes. */
function tracedExperts(of: EngineExperts): ModelExperts {
  return {
    source: of.source,
    options(layer) {
      routed.foretell(layer + 1, of.foresee)
      return { routing: routed.routing(layer) }
    },
    wantsForesight: () => false,
    foresee: () => {},
  }
}

function openStore(): EngineExperts {
  return createEngineExperts(prepared, backend, {
    enablesFaults: false,
    idleMs: Number.POSITIVE_INFINITY,
    allowsOtherText: false,
    maxRows: 8,
    nowMs: Date.now,
    onChange: () => {},
  })
}

/** Experts in mapped files: the system pages them. */
function mappedExperts(of: PreparedModel, mapped: ReturnType<typeof withMappings>): ModelExperts {
  const slabs = of.layers.map(({ experts: entries }) =>
    entries.map(({ offset, bytes: size, shape }): Slab => {
      if (shape.kind !== "expert") throw new Error("an expert is no matrix")
      return backend.openSlab(mapped.map(of.slabsPath, offset, size), planExpertSlab(shape))
    }),
  )
  return {
    source: (layer) => residentExperts(slabs[layer]!),
    options: (layer) => ({ routing: routed.routing(layer) }),
    wantsForesight: () => false,
    foresee: () => {},
  }
}

/** An arena that also knows mapped runs of files. */
function withMappings(inner: Arena): Arena & { map(path: string, offset: number, bytes: number): Span } {
  const FIRST = 1 << 20
  const views: Uint8Array[] = []
  return {
    ...inner,
    get usedBytes() {
      return inner.usedBytes
    },
    address: (span) => (span.segment < FIRST ? inner.address(span) : ptr(views[span.segment - FIRST]!)),
    bytes: (span) => (span.segment < FIRST ? inner.bytes(span) : views[span.segment - FIRST]!),
    map(path, offset, size) {
      views.push(Bun.mmap(path, { offset, size, shared: true }))
      return { segment: FIRST + views.length - 1, offset: 0, bytes: size }
    },
  }
}

/** The routing of each layer, as the trace has it; weights are equal. */
function createTracedRouting({ header, steps }: ExpertTrace) {
  const { numLayers, topK } = header
  const routings = Array.from({ length: numLayers }, (): Routing => {
    const routing = createRouting(1, topK)
    routing.numTokens = 1
    routing.weights.fill(1 / topK)
    return routing
  })
  const forecast = new Int32Array(topK)
  let step = 0
  return {
    setStep(next: number) {
      step = next % steps.length
      for (let layer = 0; layer < numLayers; layer++)
        for (let k = 0; k < topK; k++) routings[layer]!.expertIds[k] = steps[step]!.expertIds[layer * topK + k]!
    },
    routing: (layer: number) => routings[layer]!,
    foretell(layer: number, foresee: EngineExperts["foresee"]) {
      const { forecastIds } = steps[step]!
      if (layer >= numLayers || forecastIds === undefined) return
      for (let k = 0; k < topK; k++) forecast[k] = forecastIds[layer * topK + k]!
      foresee(layer, forecast, topK)
    },
  }
}

/** Reads experts from all over the file, as many at once as the store would, and returns bytes a second. */
function measureDisk({ slabsPath, layers }: PreparedModel): number {
  const scratch = createArena({})
  const queue = createReadQueue(scratch, 3)
  const handle = openDirect(slabsPath)
  const entries = layers.flatMap((layer) => layer.experts.filter((_, e) => e % 7 === 3)).slice(0, 240)
  const size = alignPart(entries[0]!.bytes)
  const spans = Array.from({ length: 8 }, () => scratch.allocate(size, "whole"))
  const tickets: number[] = []
  const started = performance.now()
  entries.forEach(({ offset, bytes: length }, i) => {
    // As many under way as there are spans.
    if (tickets.length === spans.length) {
      const oldest = tickets.shift()!
      queue.wait(oldest)
      queue.take(oldest)
    }
    const span = spans[i % spans.length]!
    tickets.push(queue.submit({ handle, offset, bytes: size, checkedBytes: length, span }, true)!)
  })
  for (const ticket of tickets) queue.wait(ticket)
  const elapsedMs = performance.now() - started
  queue.close()
  closeSync(handle)
  scratch.close()
  return (entries.length * size * 1000) / elapsedMs
}

/** Drops what the system has kept of a file: pages that another process has read count for nobody's limit. */
function dropCached(path: string): void {
  const DONTNEED = 4
  const libc = dlopen("libc.so.6", {
    posix_fadvise: { args: [FFIType.i32, FFIType.i64, FFIType.i64, FFIType.i32], returns: FFIType.i32 },
  })
  const handle = openSync(path, "r+")
  fsyncSync(handle)
  libc.symbols.posix_fadvise(handle, 0, 0, DONTNEED)
  closeSync(handle)
}

/** Puts this process under a memory limit of its own. */
function joinCgroup(dir: string, limit: number): void {
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, "memory.limit_in_bytes"), String(limit))
  writeFileSync(join(dir, "cgroup.procs"), String(process.pid))
}
