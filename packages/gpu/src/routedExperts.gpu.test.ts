import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import {
  type Arena,
  createArena,
  packExpertSlab,
  packMatrixSlab,
  planExpertSlab,
  planMatrixSlab,
  type RoutedLayer,
  type Slab,
} from "@consilium/kernels"
import { noise } from "@consilium/tensor"
import { whyNoGpu } from "../test/openGpu.ts"
import { createGpuBackend, type GpuBackend } from "./index.ts"

const [H, I, E, K] = [64, 32, 4, 2]
const SHAPE = { hiddenSize: H, intermediateSize: I, activation: "silu", hasGateProj: true, hasBias: false } as const

/** A layer of int8 experts, one of them shared, and what closes it. */
function openLayer(gpu: GpuBackend, arena: Arena): { layer: RoutedLayer; close: () => void } {
  const spans: ReturnType<Arena["allocate"]>[] = []
  const slabs: Slab[] = []
  const matrix = planMatrixSlab({ format: "f32", numRows: E, numColumns: H, hasBias: false })
  const expert = planExpertSlab({ ...SHAPE, format: "int8" })
  const open = (layout: Slab["layout"], pack: (bytes: Uint8Array) => void): Slab => {
    const span = arena.allocate(layout.bytes)
    spans.push(span)
    pack(arena.bytes(span))
    const slab = gpu.openSlab(span, layout)
    slabs.push(slab)
    return slab
  }
  const router = open(matrix, (bytes) => packMatrixSlab(bytes, matrix, noise(E * H, 1, 0.3)))
  const experts = Array.from({ length: E + 1 }, (_, e) =>
    open(expert, (bytes) => {
      const [gateProj, upProj, downProj] = [1, 2, 3].map((seed) => noise(H * I, 10 * e + seed, 0.2))
      packExpertSlab(bytes, expert, { gateProj: gateProj!, upProj: upProj!, downProj: downProj! })
    }),
  )
  const sharedExpert = { slab: experts[E]!, gate: noise(H, 9, 0.3) }
  const weighing = { score: "softmax", normalizesWeights: true, normEpsilon: 0, scale: 1, temperature: 1 } as const
  return {
    layer: { router, slabs: experts.slice(0, E), topK: K, ...weighing, sharedExpert },
    close() {
      for (const slab of slabs) gpu.closeSlab(slab)
      for (const span of spans) arena.free(span)
    },
  }
}

/** Returns out and routing of rows, in chunks of so many. */
function runLayer(gpu: GpuBackend, arena: Arena, layer: RoutedLayer, values: Float32Array, chunk: number) {
  const numTokens = values.length / H
  const [x, out, routing, logits] = [H, H, 3 * K, E].map((width) => arena.rows(chunk, width)) as [
    ReturnType<Arena["rows"]>,
    ...ReturnType<Arena["rows"]>[],
  ]
  const found: number[][] = []
  for (let first = 0; first < numTokens; first += chunk) {
    x.values.set(values.subarray(first * H, (first + chunk) * H))
    gpu.routedExperts!(out!, routing!, logits!, x, chunk, layer)
    for (let t = 0; t < chunk; t++)
      found.push([...out!.values.subarray(t * H, (t + 1) * H), ...routing!.values.subarray(t * 3 * K, (t + 1) * 3 * K)])
  }
  for (const { span } of [x, out!, routing!, logits!]) arena.free(span)
  return found
}

describe.skipIf(whyNoGpu() !== undefined)("routedExperts", () => {
  // One for all: most of the time goes into compiling kernels.
  const arena = createArena()
  let gpu!: GpuBackend
  beforeAll(() => void (gpu = createGpuBackend(arena)))
  afterAll(() => {
    gpu.close()
    arena.close()
  })

  test("a row's bits are the same alone, in a few and among 12; a fault in one is NaN there and nowhere else", () => {
    const { layer } = openLayer(gpu, arena)
    const values = noise(12 * H, 7, 1)
    const together = runLayer(gpu, arena, layer, values, 12)
    expect(together.flat().every(Number.isFinite)).toBe(true)
    for (const chunk of [1, 3]) expect(runLayer(gpu, arena, layer, values, chunk)).toEqual(together)

    values[5 * H + 3] = Number.NaN
    for (const [t, row] of runLayer(gpu, arena, layer, values, 12).entries()) {
      if (t !== 5) expect(row).toEqual(together[t]!)
      else expect(row.filter((value) => Number.isNaN(value)).length).toBe(H + 2 * K)
    }
  })

  test("in a step two layers follow each other on the device, as two calls with the arena between them", () => {
    const { layer } = openLayer(gpu, arena)
    const values = noise(2 * H, 7, 1)
    const first = runLayer(gpu, arena, layer, values, 2).flatMap((row) => row.slice(0, H))
    const second = runLayer(gpu, arena, layer, Float32Array.from(first), 2).flatMap((row) => row.slice(0, H))
    const [x, between, out] = [arena.rows(2, H), arena.rows(2, H), arena.rows(2, H)]
    const [routing, logits] = [arena.rows(2, 3 * K), arena.rows(2, E)]
    x.values.set(values)
    gpu.beginStep!()
    gpu.routedExperts!(between, routing, logits, x, 2, layer)
    gpu.routedExperts!(out, routing, logits, between, 2, layer)
    gpu.read!(out, 2)
    gpu.endStep!()
    expect([...out.values]).toEqual(second)
    expect(between.values.every((value) => value === 0)).toBe(true)
  })

  test("another expert in a layer's place is the one that runs, and a closed layer leaves nothing on the device", () => {
    const values = noise(2 * H, 7, 1)
    const { layer, close } = openLayer(gpu, arena)
    const before = runLayer(gpu, arena, layer, values, 2)
    const swapped = { ...layer, slabs: layer.slabs.with(1, layer.slabs[0]!).with(2, layer.slabs[0]!) }
    expect(runLayer(gpu, arena, swapped, values, 2)).not.toEqual(before)
    expect(runLayer(gpu, arena, layer, values, 2)).toEqual(before)
    close()
    const { bytes } = gpu.deviceMemory()
    for (let i = 0; i < 3; i++) {
      const next = openLayer(gpu, arena)
      runLayer(gpu, arena, { ...next.layer, sharedExpert: undefined }, values, 2)
      next.close()
    }
    expect(gpu.deviceMemory().bytes).toBe(bytes)
  })

  test("after a lost device its slabs, and where they lie, are uploaded again: the results are the same", () => {
    const { layer } = openLayer(gpu, arena)
    const values = noise(2 * H, 7, 1)
    const before = runLayer(gpu, arena, layer, values, 2)
    gpu.endHost!()
    expect(() => runLayer(gpu, arena, layer, values, 2)).toThrow("the device was lost")
    expect(runLayer(gpu, arena, layer, values, 2)).toEqual(before)
  })
})
