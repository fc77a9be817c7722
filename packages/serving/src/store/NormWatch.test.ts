import { createArena, planExpertSlab, type Slab } from "@consilium/kernels"
import { expect, test } from "bun:test"
import { createNormWatch } from "./NormWatch.ts"
import type { ExpertLayer, ExpertTable } from "./ExpertTable.ts"

const layer: ExpertLayer = { layer: 4, first: 0, numExperts: 2, numInstances: 2 }
const layout = planExpertSlab({
  format: "f32",
  hiddenSize: 4,
  intermediateSize: 4,
  activation: "silu",
  hasGateProj: true,
  hasBias: false,
})
const slab: Slab = { backend: "reference", layout, readsArena: true }

test("createNormWatch: an output far from what an expert's were is a fault that names it; confirmed, it is learned", () => {
  const arena = createArena({})
  const rows = arena.rows(2, 4)
  const accepted = new Set<number>()
  const table = { layers: [layer], numInstances: 2 } as Pick<ExpertTable, "layers" | "numInstances"> as ExpertTable
  const watch = createNormWatch(table, (instance) => accepted.has(instance))
  const observe = (scale: number): void => {
    rows.values.fill(1, 0, 4)
    rows.values.fill(scale, 4, 8)
    watch.observe(layer, [slab, slab], rows, Int32Array.of(0, 1, 2))
    watch.nextStep()
  }
  for (let step = 0; step < 200; step++) observe(1 + (step % 5) / 10)
  expect(() => observe(1e6)).toThrow("layer 4 expert 1: the norm of its output is 2.00e+6, far from what it was")
  observe(1.2)
  accepted.add(1)
  observe(1e6)
  arena.close()
})

/** A watch over two layers, and what it makes of one row of an expert. */
function watchTwoLayers(isAccepted: (instance: number) => boolean = () => false) {
  const layers = [4, 7].map((of, l): ExpertLayer => ({ layer: of, first: 2 * l, numExperts: 2, numInstances: 2 }))
  const table = { layers, numInstances: 4 } as Pick<ExpertTable, "layers" | "numInstances"> as ExpertTable
  const arena = createArena({})
  const rows = arena.rows(3, 4)
  const watch = createNormWatch(table, isAccepted)
  /** Expert 0 has row 0, expert 1 rows 1 and 2. */
  const observe = (l: number, values: readonly number[], ready: readonly (Slab | undefined)[] = [slab, slab]): void => {
    values.forEach((value, row) => rows.values.fill(value, 4 * row, 4 * row + 4))
    watch.observe(layers[l]!, ready, rows, Int32Array.of(0, 1, 3))
  }
  return { watch, observe, rows, layers, close: arena.close }
}

test("createNormWatch: one layer in each step is watched, each in its turn, and 64 outputs make a history", () => {
  const { watch, observe, close } = watchTwoLayers()
  for (let step = 0; step < 128; step++) {
    for (const l of [0, 1]) observe(l, [1, 1, 1])
    watch.nextStep()
  }
  // It is the first layer's turn: what the other gives is not looked at.
  observe(1, [1, 1e6, 1])
  expect(() => observe(0, [1, 1e6, 1])).toThrow("layer 4 expert 1: the norm of its output is 2.00e+6")
  watch.nextStep()
  observe(0, [1, 1e6, 1])
  expect(() => observe(1, [1e6, 1, 1])).toThrow("layer 7 expert 0")
  close()
})

test("createNormWatch: 63 outputs are no history, and 16 times the usual is not far", () => {
  const { watch, observe, close } = watchTwoLayers()
  const observeSteps = (count: number): void => {
    for (let step = 0; step < 2 * count; step++) {
      observe(0, [1, 1, 1])
      watch.nextStep()
    }
  }
  observeSteps(63)
  observe(0, [1e6, 1, 1])
  watch.nextStep()
  watch.nextStep()
  // The other expert has 64 by now.
  observe(0, [1, 15, 1])
  watch.nextStep()
  watch.nextStep()
  expect(() => observe(0, [1, 1e4, 1])).toThrow("layer 4 expert 1")
  close()
})

test("createNormWatch: an expert's first row is looked at, of those that ran and are finite", () => {
  const { watch, observe, rows, layers, close } = watchTwoLayers()
  for (let step = 0; step < 130; step++) {
    observe(0, [1, 1, 1])
    watch.nextStep()
  }
  // Its second row, an expert that did not run, one without rows, and what is not finite.
  observe(0, [1, 1, 1e6])
  observe(0, [1, 1e6, 1], [slab, undefined])
  observe(0, [1, Number.NaN, 1])
  observe(0, [1, Number.POSITIVE_INFINITY, 1])
  rows.values.fill(1e6, 4, 8)
  watch.observe(layers[0]!, [slab, slab], rows, Int32Array.of(0, 1, 1))
  observe(0, [1, 1, 1])
  close()
})

test("createNormWatch: who takes an expert's place has no history; the others keep theirs", () => {
  const { watch, observe, close } = watchTwoLayers()
  for (let step = 0; step < 130; step++) {
    observe(0, [1, 1, 1])
    watch.nextStep()
  }
  watch.forget(1)
  observe(0, [1, 1e6, 1])
  expect(() => observe(0, [1e6, 1, 1])).toThrow("layer 4 expert 0")
  close()
})

test("createNormWatch: what is confirmed is learned as this expert's own, and is usual in the end", () => {
  const accepted = new Set<number>()
  const { watch, observe, close } = watchTwoLayers((instance) => accepted.has(instance))
  const observeTurns = (count: number, value: number): void => {
    for (let turn = 0; turn < count; turn++) {
      watch.nextStep()
      observe(1, [1, value, 1])
      watch.nextStep()
    }
  }
  observeTurns(64, 1)
  accepted.add(3)
  observeTurns(64, 1e6)
  accepted.clear()
  observeTurns(1, 1e6)
  watch.nextStep()
  expect(() => observe(1, [1e6, 1, 1])).toThrow("layer 7 expert 0")
  close()
})

test("createNormWatch: norms that were computed elsewhere are watched alike, of all experts that have rows", () => {
  const { watch, layers, close } = watchTwoLayers()
  const offsets = Int32Array.of(0, 1, 2)
  for (let step = 0; step < 128; step++) {
    watch.observe(layers[step % 2]!, undefined, Float32Array.of(2, 3), offsets)
    watch.nextStep()
  }
  expect(() => watch.observe(layers[0]!, undefined, Float32Array.of(2, 3e6), offsets)).toThrow("layer 4 expert 1")
  watch.observe(layers[0]!, undefined, Float32Array.of(2), Int32Array.of(0, 1, 1))
  close()
})
