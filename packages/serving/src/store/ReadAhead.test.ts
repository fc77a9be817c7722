import type { DispatchPlan } from "@consilium/experts"
import { expect, test } from "bun:test"
import type { ExpertStore } from "./createExpertStore.ts"
import { type ExpertLayer, type ExpertTable, STATE } from "./ExpertTable.ts"
import { createReadAhead } from "./ReadAhead.ts"

const NUM_LAYERS = 4
const NUM_EXPERTS = 16

/** A store whose experts all sleep, and that notes what is woken: as many as `mostAwake`. */
function fakeStore(mostAwake = 100) {
  const numInstances = NUM_EXPERTS + 2
  const layers = Array.from({ length: NUM_LAYERS }, (_, l): ExpertLayer => {
    return { layer: 2 * l + 1, first: l * numInstances, numExperts: NUM_EXPERTS, numInstances }
  })
  const length = NUM_LAYERS * numInstances
  const woken: number[] = []
  const table = {
    layers,
    layerOf: Int32Array.from({ length }, (_, i) => Math.floor(i / numInstances)),
    states: new Uint8Array(length),
    files: Array.from({ length }, () => ({})),
    numHeld: new Int32Array(NUM_LAYERS),
  } as unknown as ExpertTable
  const asked: number[] = []
  let mayGo: (instance: number) => boolean = () => true
  const residency = {
    numAhead: 0,
    wake(instance: number, isUrgent: boolean, mayEvict: (instance: number) => boolean) {
      expect(isUrgent).toBe(false)
      mayGo = mayEvict
      asked.push(instance)
      if (woken.length === mostAwake) return false
      woken.push(instance)
      table.states[instance] = STATE.waking
      residency.numAhead++
      return true
    },
  }
  const store = { table, residency, mayEvict: (instance: number) => instance !== 0 } as unknown as ExpertStore
  const begin = (l: number, ids: readonly number[]): void => {
    const offsets = new Int32Array(numInstances + 1)
    for (let e = 0; e < numInstances; e++) offsets[e + 1] = offsets[e]! + (ids.includes(e) ? 1 : 0)
    ahead.onBegin(layers[l]!, { offsets } as DispatchPlan)
  }
  const ahead = createReadAhead(store)
  const foresee = (l: number, ...ids: number[]): void =>
    ahead.foresee(layers[l]!.layer, Int32Array.from(ids), ids.length)
  const named = (): string[] => woken.splice(0).map((i) => `${table.layerOf[i]}-${i % numInstances}`)
  return { table, residency, ahead, asked, begin, foresee, named, mayGo: (instance: number) => mayGo(instance) }
}

test("createReadAhead: what is foreseen of the next two layers is read, then what they used in the step before", () => {
  const { begin, foresee, named, residency } = fakeStore()
  for (const l of [0, 1, 2, 3]) begin(l, [l, l + 4])
  expect(named()).toEqual(["0-0", "0-4", "1-1", "1-5"])
  residency.numAhead = 0
  foresee(1, 9, -1, 2)
  foresee(2, 3)
  begin(0, [])
  // Those of layer 1's last step are being read already.
  expect(named()).toEqual(["1-9", "1-2", "2-3", "2-2", "2-6"])
})

test("createReadAhead: what a layer was foreseen to need is forgotten when it begins", () => {
  const { begin, foresee, named } = fakeStore()
  foresee(2, 3)
  begin(2, [])
  begin(0, [])
  expect(named()).toEqual([])
  foresee(2, 3)
  foresee(2, 4)
  begin(0, [])
  expect(named()).toEqual(["2-4"])
})

test("createReadAhead: eight reads are under way at once, and none more where there is no room", () => {
  const { begin, foresee, named } = fakeStore()
  foresee(1, ...Array.from({ length: 12 }, (_, e) => e))
  begin(0, [])
  expect(named().length).toBe(8)
  const full = fakeStore(3)
  full.foresee(1, 0, 1, 2, 3, 4)
  full.foresee(2, 0)
  full.begin(0, [])
  expect(full.named()).toEqual(["1-0", "1-1", "1-2"])
  // One that finds no room is the last that is asked for.
  expect(full.asked.length).toBe(4)
})

test("createReadAhead: nothing is read beside a layer that uses more than half of its experts", () => {
  const { begin, foresee, named } = fakeStore()
  const uses = (count: number): number[] => Array.from({ length: count }, (_, e) => e)
  foresee(1, 3)
  begin(0, uses(9))
  expect(named()).toEqual([])
  begin(0, uses(8))
  expect(named()).toEqual(["1-3"])
})

test("createReadAhead: only those that sleep and have a file are read", () => {
  const { begin, foresee, named, table } = fakeStore()
  const { first } = table.layers[1]!
  table.states[first] = STATE.awake
  table.states[first + 1] = STATE.waking
  ;(table.files as unknown[])[first + 2] = undefined
  foresee(1, 0, 1, 2, 3)
  begin(0, [])
  expect(named()).toEqual(["1-3"])
})

test("createReadAhead: what is foreseen, or still needed, does not make room", () => {
  const { begin, foresee, mayGo, table } = fakeStore()
  foresee(1, 4)
  foresee(2, 5)
  begin(0, [])
  const { first } = table.layers[1]!
  expect([first + 3, first + 4, table.layers[2]!.first + 5, 0].map(mayGo)).toEqual([true, false, false, false])
})

test("createReadAhead: few rows of a layer whose experts are not all awake are worth foreseeing", () => {
  const { ahead, table } = fakeStore()
  expect([16, 17].map((numRows) => ahead.wantsForesight(3, numRows))).toEqual([true, false])
  expect(ahead.wantsForesight(2, 1)).toBe(false)
  expect(ahead.wantsForesight(1, 1)).toBe(true)
  table.numHeld[1] = NUM_EXPERTS
  expect(ahead.wantsForesight(3, 1)).toBe(false)
  table.numHeld[1] = NUM_EXPERTS - 1
  expect(ahead.wantsForesight(3, 1)).toBe(true)
})
