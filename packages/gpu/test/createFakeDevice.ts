import {
  type Arena,
  type Backend,
  cacheMemory,
  type CacheRows,
  copyCacheRows,
  createReferenceBackend,
  type Slab,
  StateLostError,
} from "@consilium/kernels"
import { PLAIN_FEATURES } from "../src/GpuFeatures.ts"
import type { GpuBackend } from "../src/index.ts"

/** A device that is made up, and keeps what it computes in a step to itself: rows of the arena hold NaN until they are asked for, and do not count until somebody has written them. */
export interface FakeDevice extends GpuBackend {
  /** Operations so far, by name. */
  readonly calls: string[]
  /** Makes the next call of this name, or any, fail: the device is lost. */
  failNext(name?: string): void
  /** Has the device's next opening last: it is tried so many times, and fails then where `why` says so. */
  delayOpening(numTries: number, why?: string): void
  /** Refuses to hold more. */
  limit(bytes: number): void
}

export interface FakeDeviceOptions {
  /** Without it each call uploads its rows and reads its results back, and attention, norms and sums are not its own. */
  readonly keepsRows?: boolean
  readonly isSoftware?: boolean
  /** Computes; plain loops unless given. */
  readonly inner?: Backend
}

interface Held {
  readonly rows: CacheRows
  readonly memory: ReturnType<typeof cacheMemory>
  readonly isCache: boolean
}

/** NaN as f32, and twice as bf16. */
const NAN = { value: Number.NaN, word: 0x7fc0_7fc0 }

export function createFakeDevice(
  arena: Arena,
  { keepsRows = true, isSoftware = false, inner = createReferenceBackend(arena) }: FakeDeviceOptions = {},
): FakeDevice {
  const calls: string[] = []
  const open = new Map<Slab, number>()
  /** By where they lie: what the device has newer than the arena. */
  const rowsHeld = new Map<string, Held>()
  const asked: CacheRows[] = []
  let [isInStep, isLost, limitBytes] = [false, false, Number.POSITIVE_INFINITY]
  let failing: string | undefined
  let opening: { numTries: number; why: string | undefined } = { numTries: 0, why: undefined }
  const keyOf = ({ span }: CacheRows): string => `${span.segment}:${span.offset}`
  const bytes = (): number => [...open.values()].reduce((sum, one) => sum + one, 0)

  const openAnew = (): void => {
    isLost = isInStep = false
    open.clear()
    rowsHeld.clear()
    asked.length = 0
  }
  const begin = (name: string): void => {
    calls.push(name)
    if (failing !== undefined && failing !== "" && failing !== name) return
    if (failing !== undefined) isLost = true
    failing = undefined
    if (!isLost) return
    openAnew()
    throw keepsRows ? new StateLostError("fake: the device was lost") : new Error("fake: the device was lost")
  }
  /** Runs with what the device has in its place, and keeps what it writes; the arena keeps what it had. */
  const compute = (
    name: string,
    written: readonly CacheRows[],
    caches: readonly CacheRows[],
    call: () => void,
  ): void => {
    begin(name)
    // Keys and values are large, and read by those alone that name them.
    const held = [...rowsHeld.values()].filter(({ isCache }) => !isCache || caches.length > 0)
    const before = held.map(({ rows }) => ({ rows, memory: cacheMemory(rows).slice() }))
    for (const { rows, memory } of held) cacheMemory(rows).set(memory)
    call()
    const isKept = keepsRows && isInStep
    const results = [...written, ...caches].map((rows, i) => ({
      rows,
      memory: cacheMemory(rows).slice(),
      isCache: i >= written.length,
    }))
    for (const { rows, memory } of before) cacheMemory(rows).set(memory)
    for (const result of results) {
      if (isKept) rowsHeld.set(keyOf(result.rows), result)
      if (isKept) cacheMemory(result.rows).fill("words" in result.rows ? NAN.word : NAN.value)
      else cacheMemory(result.rows).set(result.memory)
    }
  }
  const slabOf = (slab: Slab): Slab => {
    if (!open.has(slab)) throw new Error("fake: this slab is not open")
    return slab
  }
  const sync = (): void => {
    for (const rows of asked.splice(0)) cacheMemory(rows).set(rowsHeld.get(keyOf(rows))?.memory ?? cacheMemory(rows))
  }
  const withRows: Partial<Backend> = {
    beginStep() {
      begin("beginStep")
      isInStep = true
    },
    read: (rows) => void asked.push(rows),
    submit: () => void calls.push("submit"),
    sync() {
      begin("sync")
      sync()
    },
    wrote: (rows) => void rowsHeld.delete(keyOf(rows)),
    endStep() {
      begin("endStep")
      sync()
      for (const [key, { isCache }] of rowsHeld) if (!isCache) rowsHeld.delete(key)
      isInStep = false
    },
    attend(out, qkv, slots, layer) {
      const caches = slots.flatMap(({ keys, values }) => [keys, values])
      compute("attend", [out, qkv], caches, () => inner.attend(out, qkv, slots, layer))
    },
    copyRows(to, toRow, from, fromRow, numRows) {
      const isCache = [to, from].some((rows) => rowsHeld.get(keyOf(rows))?.isCache === true)
      const wasInStep = isInStep
      isInStep ||= isCache
      compute("copyRows", isCache ? [] : [to], isCache ? [to] : [], () =>
        copyCacheRows(to, toRow, from, fromRow, numRows),
      )
      isInStep = wasInStep
    },
    norm: (out, x, ...rest) => compute("norm", [out], [], () => inner.norm(out, x, ...rest)),
    addScaled: (out, x, ...rest) => compute("addScaled", [out], [], () => inner.addScaled(out, x, ...rest)),
  }

  return {
    ...inner,
    name: "gpu",
    cacheFormats: keepsRows ? inner.cacheFormats : [],
    adapter: {
      name: "fake",
      model: "fake",
      isSoftware,
      maxBufferBytes: 2 ** 31,
      hasTimestamps: false,
      features: PLAIN_FEATURES,
    },
    calls,
    tryOpen() {
      if (opening.numTries-- > 0) return false
      if (opening.why !== undefined) throw new Error(opening.why)
      if (isLost) openAnew()
      return true
    },
    delayOpening(numTries, why) {
      opening = { numTries, why }
    },
    failNext(name = "") {
      failing = name
    },
    limit(most) {
      limitBytes = most
    },
    deviceMemory: () => ({ numBuffers: open.size, slabBytes: bytes(), bytes: bytes() }),
    numFreePlaces: () => 0,
    supports: (op) =>
      ["embed", "matmul", "expert", "experts", "combine"].includes(op) ||
      (keepsRows && ["attend", "norm", "addScaled", "copyRows"].includes(op)),
    openSlab(span, layout) {
      begin("openSlab")
      if (bytes() + layout.bytes > limitBytes) throw new Error("fake: Out of memory")
      const slab = inner.openSlab(span, layout)
      open.set(slab, layout.bytes)
      return slab
    },
    closeSlab(slab) {
      if (isLost) begin("closeSlab")
      open.delete(slab)
    },
    embed: (out, ids, numIds, slab) => compute("embed", [out], [], () => inner.embed(out, ids, numIds, slabOf(slab))),
    matmul: (out, x, numRows, slab) => compute("matmul", [out], [], () => inner.matmul(out, x, numRows, slabOf(slab))),
    expert: (out, x, firstRow, numRows, slab) =>
      compute("expert", [out], [], () => inner.expert(out, x, firstRow, numRows, slabOf(slab))),
    experts(outputs, x, { order, offsets, topK }, slabs) {
      compute("experts", [outputs], [], () => {
        const gathered = arena.rows(offsets[slabs.length]!, x.width)
        for (let e = 0; e < slabs.length; e++) {
          const [begun, end] = [offsets[e]!, offsets[e + 1]!]
          for (let row = begun; row < end; row++) {
            const token = Math.floor(order[row]! / topK)
            gathered.values.set(x.values.subarray(token * x.width, (token + 1) * x.width), row * x.width)
          }
          if (slabs[e] !== undefined && end > begun)
            inner.expert(outputs, gathered, begun, end - begun, slabOf(slabs[e]!))
        }
        arena.free(gathered.span)
      })
    },
    combine(out, outputs, { numTokens, topK, rows, weights }) {
      compute("combine", [out], [], () => {
        out.values.fill(0, 0, numTokens * out.width)
        for (let a = 0; a < numTokens * topK; a++) {
          if (rows[a]! < 0) continue
          const to = Math.floor(a / topK) * out.width
          for (let i = 0; i < out.width; i++)
            out.values[to + i] = out.values[to + i]! + weights[a]! * outputs.values[rows[a]! * out.width + i]!
        }
      })
    },
    ...(keepsRows ? withRows : {}),
    endHost() {
      isLost = true
      return true
    },
    close: () => inner.close(),
  }
}
