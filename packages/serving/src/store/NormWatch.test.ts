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
