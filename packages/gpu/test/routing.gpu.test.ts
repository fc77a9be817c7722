import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createRouteScratch, createRouting, route, type TopKRouterConfig } from "@consilium/gating"
import type { RoutedLayer } from "@consilium/kernels"
import fc from "fast-check"
import { createGpuKernels, type GpuKernels } from "../src/GpuKernels.ts"
import { type BufferId, type GpuQueue, openGpuQueue } from "../src/GpuQueue.ts"
import { mostTiles, planParameters } from "../src/planKernel.ts"
import { topKFor, topKParameters } from "../src/topKKernel.ts"
import { whyNoGpu } from "./openGpu.ts"
import { ptr } from "bun:ffi"

const SOFTMAX = { kind: "top-k", topK: 2, score: "softmax", normalizesWeights: true } as const
/** Each with its number of experts: fewer and more than a workgroup's threads, and as many as are chosen. */
const ROUTERS: readonly (readonly [name: string, numExperts: number, config: TopKRouterConfig])[] = [
  ["softmax over the chosen", 8, SOFTMAX],
  ["softmax over all, of 130", 130, { ...SOFTMAX, topK: 8, normalizesWeights: false, temperature: 2, scale: 1.5 }],
  ["softmax with epsilon, every expert", 3, { ...SOFTMAX, topK: 3, normEpsilon: 1e-3 }],
  ["sigmoid", 33, { ...SOFTMAX, topK: 4, score: "sigmoid", choosesByLogits: true, normEpsilon: 1e-20, scale: 2.5 }],
]

/** Few values, so that many tie; some experts are out. */
const logitArb = fc.oneof(
  { arbitrary: fc.integer({ min: -4, max: 4 }).map((step) => step / 2), weight: 4 },
  { arbitrary: fc.float({ min: -20, max: 20, noNaN: true }), weight: 4 },
  { arbitrary: fc.constantFrom(0, -0, Number.NEGATIVE_INFINITY), weight: 1 },
)
const batchArb = (numExperts: number) =>
  fc.array(fc.array(logitArb, { minLength: numExperts, maxLength: numExperts }), { minLength: 1, maxLength: 6 })

describe.skipIf(whyNoGpu() !== undefined)("routing on the device", () => {
  let queue!: GpuQueue
  let kernels!: GpuKernels
  beforeAll(() => {
    queue = openGpuQueue()
    kernels = createGpuKernels(queue)
  })
  afterAll(() => queue.close())

  const upload = (values: Float32Array | Uint32Array): BufferId => {
    const buffer = queue.createBuffer(values.byteLength)
    queue.writeValues(buffer, values)
    return buffer
  }
  const download = (buffer: BufferId, length: number): Uint32Array => {
    const values = new Uint32Array(length)
    queue.read(buffer, 0, ptr(values), length * 4)
    queue.run()
    return values
  }
  /** Returns ids and weights `[T, 3K]`; of a token alone also its plan, and that of the kernel that plans for many. */
  const routeThere = (logits: Float32Array, numExperts: number, config: TopKRouterConfig) => {
    const { topK, normEpsilon = 0, scale = 1, temperature = 1 } = config
    const layer = { ...config, normEpsilon, scale, temperature, slabs: Array.from({ length: numExperts }) }
    const numTokens = logits.length / numExperts
    const [from, routing] = [upload(logits), upload(new Float32Array(numTokens * 3 * topK))]
    const parameters = topKParameters(layer as unknown as RoutedLayer)
    const kind = topKFor(layer as unknown as RoutedLayer, numTokens)
    const places = upload(Uint32Array.from({ length: 2 * numExperts }, (_, i) => 100 + i))
    const planned = (): readonly BufferId[] =>
      [topK, topK, 4 * topK].map((length) => upload(new Uint32Array(length).fill(7)))
    const [own, many] = [planned(), planned()]
    queue.dispatch(kernels.topK(kind), [numTokens, 1], parameters, [
      from,
      routing,
      ...(kind.plans ? [places, ...own] : []),
    ])
    const plans: Uint32Array[][] = []
    if (kind.plans) {
      const shape = { numTokens, topK, numExperts, tile: 1 }
      queue.dispatch(kernels.plan(numExperts), [numExperts, 1], planParameters(shape), [routing, places, ...many])
      plans.push(...[own, many].map((buffers) => buffers.map((buffer, i) => download(buffer, i < 2 ? topK : 4 * topK))))
    }
    const found = download(routing, numTokens * 3 * topK)
    for (const buffer of [from, routing, places, ...own, ...many]) queue.destroyBuffer(buffer)
    return { found: new Float32Array(found.buffer), plans }
  }

  test.each(ROUTERS)("%s: the ids of gating's route, and its weights, whatever ties", (_, numExperts, config) => {
    fc.assert(
      fc.property(batchArb(numExperts), (batch) => {
        const { topK } = config
        const logits = Float32Array.from(batch.flat())
        const expected = createRouting(batch.length, topK)
        route(expected, logits, batch.length, config, createRouteScratch(numExperts))
        const { found } = routeThere(logits, numExperts, config)
        for (let a = 0; a < batch.length * topK; a++) {
          const at = Math.floor(a / topK) * 3 * topK + (a % topK)
          expect(found[at]).toBe(expected.expertIds[a]!)
          expect(Math.abs(found[at + topK]! - expected.weights[a]!)).toBeLessThan(1e-5)
        }
      }),
      { numRuns: 40 },
    )
  })

  test("logits that are no numbers give experts that there are, and weights of NaN, in their own row", () => {
    const [, numExperts, config] = ROUTERS[0]!
    const good = Float32Array.from({ length: 8 }, (_, e) => e)
    for (const fault of [Number.NaN, -Number.NaN, Number.POSITIVE_INFINITY]) {
      const { found } = routeThere(Float32Array.of(...good, ...good.with(5, fault), ...good), numExperts, config)
      expect([...found.subarray(0, 2)]).toEqual([7, 6])
      expect([...found.subarray(12, 14)]).toEqual([7, 6])
      expect(found.subarray(6, 8).every((id) => id >= 0 && id < numExperts)).toBe(true)
      expect([...found.subarray(8, 10)]).toEqual([Number.NaN, Number.NaN])
      expect(found.subarray(2, 4).every(Number.isFinite) && found.subarray(14, 16).every(Number.isFinite)).toBe(true)
    }
  })

  test.each(ROUTERS)("%s: a token alone is planned as the plan of many has it", (_, numExperts, config) => {
    const faultArb = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY)
    const valueArb = fc.oneof({ arbitrary: logitArb, weight: 60 }, { arbitrary: faultArb, weight: 1 })
    const outArb = fc.constant(Number.NEGATIVE_INFINITY)
    const rowArb = fc.oneof(
      ...[valueArb, fc.oneof(valueArb, outArb, outArb)].map((arb) =>
        fc.array(arb, { minLength: numExperts, maxLength: numExperts }),
      ),
    )
    fc.assert(
      fc.property(rowArb, (row) => {
        const { plans } = routeThere(Float32Array.from(row), numExperts, config)
        expect(plans[0]![0]).toEqual(plans[1]![0]!)
        expect(plans[0]![2]).toEqual(plans[1]![2]!)
        // Rows that no expert has are nobody's.
        const numRows = plans[0]![0]!.filter((at) => at !== 2 ** 32 - 1).length
        expect(plans[0]![1]!.subarray(0, numRows)).toEqual(plans[1]![1]!.subarray(0, numRows))
      }),
      { numRuns: 40 },
    )
  })

  test("a plan groups assignments by expert, in their order, and its tiles cover each row once", () => {
    const [numExperts, topK] = [5, 3]
    const idsArb = fc.array(fc.array(fc.integer({ min: -1, max: 4 }), { minLength: topK, maxLength: topK }), {
      minLength: 1,
      maxLength: 200,
    })
    fc.assert(
      fc.property(idsArb, fc.constantFrom(1, 4, 8), (ids, tile) => {
        const numTokens = ids.length
        const shape = { numTokens, topK, numExperts, tile }
        const withOthers = ids.flatMap((own) => [...own, 9, 9, 9, 9, 9, 9])
        const routing = upload(Float32Array.from(withOthers))
        const places = upload(Uint32Array.from({ length: 2 * numExperts }, (_, i) => 100 + i))
        const rows = upload(new Uint32Array(numTokens * topK))
        const tokens = upload(new Uint32Array(numTokens * topK))
        const tiles = upload(new Uint32Array(mostTiles(shape) * 4).fill(7))
        const buffers = [routing, places, rows, tokens, tiles]
        queue.dispatch(kernels.plan(numExperts), [numExperts, 1], planParameters(shape), buffers)
        const assignments = ids.flat()
        const order = Array.from({ length: numExperts }, (_, e) =>
          assignments.flatMap((id, a) => (id === e ? [a] : [])),
        )
        const expected = order.flat()
        const foundTokens = download(tokens, numTokens * topK).subarray(0, expected.length)
        expect([...foundTokens]).toEqual(expected.map((a) => Math.floor(a / topK)))
        const foundRows = new Int32Array(download(rows, numTokens * topK).buffer)
        expect([...foundRows]).toEqual(assignments.map((_, a) => expected.indexOf(a)))
        let first = 0
        const cut = order.flatMap((own, e) => {
          const begin = first
          first += own.length
          const starts = Array.from({ length: Math.ceil(own.length / tile) }, (_, i) => i * tile)
          return starts.flatMap((at) => [100 + 2 * e, 101 + 2 * e, begin + at, Math.min(tile, own.length - at)])
        })
        const found = [...download(tiles, mostTiles(shape) * 4)]
        expect(found.slice(0, cut.length)).toEqual(cut)
        expect(found.slice(cut.length).every((value) => value === 0)).toBe(true)
        for (const buffer of buffers) queue.destroyBuffer(buffer)
      }),
      { numRuns: 25 },
    )
  })
})
