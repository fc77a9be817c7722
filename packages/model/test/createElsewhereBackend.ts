import { createMoeScratch, type MoeLayer, type MoeScratch, moeLayer, residentExperts } from "@consilium/experts"
import {
  type Arena,
  type Backend,
  createArena,
  createReferenceBackend,
  type Op,
  type RoutedLayer,
  type Rows,
  type Slab,
} from "@consilium/kernels"

/**
 * A backend in memory of its own, as a device's is, which routes by itself. Of what a step has written there the caller's arena holds NaN until it is asked for: who looks
 * at rows that they did not ask for, or writes rows and does not say so, gets wrong numbers.
 */
export interface ElsewhereBackend extends Backend {
  /** Times that the caller waited for what was recorded. */
  readonly numSyncs: number
}

interface Twin {
  readonly there: Rows
  /** Whether the caller's rows are behind. */
  isNewer: boolean
}

/**
 * @param arena the caller's
 * @param routes whether it routes by itself
 */
export function createElsewhereBackend(arena: Arena, routes = true): ElsewhereBackend {
  const inner = createReferenceBackend(createArena())
  const twins = new Map<Rows, Twin>()
  const states = new Set<Rows>()
  const slabs = new Map<Slab, Slab>()
  const scratches = new Map<Slab, { readonly layer: MoeLayer; readonly scratch: MoeScratch }>()
  const wanted: Rows[] = []
  let isStep = false
  let numSyncs = 0

  const twinOf = (rows: Rows): Twin => {
    const known = twins.get(rows)
    if (known !== undefined) return known
    const twin = { there: inner.arena.rows(rows.values.length / rows.width, rows.width), isNewer: false }
    twins.set(rows, twin)
    return twin
  }
  const input = (rows: Rows): Rows => {
    const { there, isNewer } = twinOf(rows)
    if (!isNewer) there.values.set(rows.values)
    return there
  }
  const bringBack = (rows: Rows): void => {
    const { there, isNewer } = twinOf(rows)
    if (isNewer) rows.values.set(there.values)
  }
  /** Computes there, and leaves the results there while a step runs. */
  const call = (written: readonly Rows[], compute: (...there: readonly Rows[]) => void): void => {
    compute(...written.map(input))
    for (const rows of written) {
      twinOf(rows).isNewer = true
      if (isStep || states.has(rows)) rows.values.fill(Number.NaN)
      else bringBack(rows)
    }
    if (!isStep) settle()
  }
  const settle = (): void => {
    for (const [rows, twin] of twins) if (!states.has(rows)) twin.isNewer = false
  }
  const sync = (): void => {
    numSyncs++
    for (const rows of wanted.splice(0)) bringBack(rows)
  }

  const open = (
    { router, slabs: experts, topK, ...weighing }: RoutedLayer,
    hiddenSize: number,
  ): { readonly layer: MoeLayer; readonly scratch: MoeScratch } => {
    const layer: MoeLayer = {
      config: { hiddenSize, numExperts: experts.length, topK, router: { kind: "top-k", topK, ...weighing } },
      backend: inner,
      router: { kind: "slab", slab: slabs.get(router)! },
      experts: residentExperts(experts),
      sharedExpert: undefined,
    }
    return { layer, scratch: createMoeScratch(layer, MOST_ROWS) }
  }

  return {
    name: "gpu",
    arena,
    cacheFormats: ["f32"],
    get numSyncs() {
      return numSyncs
    },
    supports: (op, format) => inner.supports(op, format) || OWN_OPS.has(op) || (routes && op === "routedExperts"),
    openSlab(span, layout) {
      const there = inner.arena.allocate(layout.bytes)
      inner.arena.bytes(there).set(arena.bytes(span).subarray(0, layout.bytes))
      const slab: Slab = { backend: "gpu", layout, readsArena: false }
      slabs.set(slab, inner.openSlab(there, layout))
      return slab
    },
    numBytes: (slab) => inner.numBytes(slabs.get(slab)!),
    closeSlab: (slab) => inner.closeSlab(slabs.get(slab)!),
    embed: (out, ids, numIds, slab) => call([out], (o) => inner.embed(o!, ids, numIds, slabs.get(slab)!)),
    matmul: (out, x, numRows, slab) => call([out], (o) => inner.matmul(o!, input(x), numRows, slabs.get(slab)!)),
    expert: (out, x, firstRow, numRows, slab) =>
      call([out], (o) => inner.expert(o!, input(x), firstRow, numRows, slabs.get(slab)!)),
    attend(out, qkv, slots, layer) {
      for (const { keys, values } of slots) for (const rows of [keys, values]) states.add(rows as Rows)
      const caches = slots.flatMap(({ keys, values }) => [keys as Rows, values as Rows])
      call([out, qkv, ...caches], (o, q, ...there) => {
        const own = slots.map((slot, s) => ({ ...slot, keys: there[2 * s]!, values: there[2 * s + 1]! }))
        inner.attend(o!, q!, own, layer)
      })
    },
    norm: (out, x, numRows, weight, epsilon) => call([out], (o) => inner.norm(o!, input(x), numRows, weight, epsilon)),
    addScaled: (out, x, numRows, factors) => call([out], (o) => inner.addScaled(o!, input(x), numRows, factors)),
    copyRows(to, toRow, from, fromRow, numRows) {
      if (states.has(from as Rows)) states.add(to as Rows)
      call([to as Rows], (there) => {
        const { width } = there!
        const source = input(from as Rows).values.subarray(fromRow * width, (fromRow + numRows) * width)
        there!.values.set(source, toRow * width)
      })
    },
    routedExperts(out, routed, logits, x, numRows, routedLayer) {
      const { router, topK, sharedExpert } = routedLayer
      const own = scratches.get(router) ?? open(routedLayer, x.width)
      scratches.set(router, own)
      const experts = residentExperts(routedLayer.slabs.map((slab) => slabs.get(slab)!))
      const shared = sharedExpert && { ...sharedExpert, slab: slabs.get(sharedExpert.slab)! }
      call([out, routed, logits], (o, r, l) => {
        const { routing, outputs, plan } = own.scratch
        moeLayer(o!, input(x), numRows, { ...own.layer, experts, sharedExpert: shared }, own.scratch)
        l!.values.set(own.scratch.logits.values.subarray(0, numRows * l!.width))
        for (let a = 0; a < numRows * topK; a++) {
          const [token, rank, row] = [Math.floor(a / topK), a % topK, plan.rows[a]!]
          const output = outputs.values.subarray(row * x.width, (row + 1) * x.width)
          r!.values[token * r!.width + rank] = routing.expertIds[a]!
          r!.values[token * r!.width + topK + rank] = routing.weights[a]!
          r!.values[token * r!.width + 2 * topK + rank] = Math.hypot(...output)
        }
      })
    },
    shortlist(out, logits, numRows) {
      call([out], (there) => {
        const all = input(logits)
        const [width, length] = [all.width, out.width / 2]
        for (let row = 0; row < numRows; row++) {
          const values = all.values.subarray(row * width, (row + 1) * width)
          const ids = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b).slice(0, length)
          there!.values.set([...ids.map((id) => values[id]!), ...ids], row * out.width)
        }
      })
    },
    beginStep() {
      settle()
      isStep = true
    },
    read: (rows) => void wanted.push(rows),
    sync,
    wrote: (rows) => void (twinOf(rows).isNewer = false),
    endStep() {
      sync()
      settle()
      isStep = false
    },
    close() {
      inner.close()
      inner.arena.close()
    },
  }
}

const OWN_OPS: ReadonlySet<Op> = new Set(["copyRows", "shortlist"])
/** Rows of the largest step of a test. */
const MOST_ROWS = 64
