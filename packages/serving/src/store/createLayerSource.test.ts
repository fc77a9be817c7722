import type { DispatchPlan } from "@consilium/experts"
import type { Backend, Rows, Slab } from "@consilium/kernels"
import type { EvictionPolicy } from "@consilium/scheduling"
import { expect, test } from "bun:test"
import { createLayerSource, type LayerWatch } from "./createLayerSource.ts"
import { ExpertFault } from "./ExpertFault.ts"
import { type ExpertLayer, type ExpertTable, STATE } from "./ExpertTable.ts"
import type { Residency } from "./Residency.ts"

const SIZE = 6
const STAND_IN = { name: "reference" } as unknown as Backend

/** The second of two layers of six experts, memory for `room` of all twelve, and notes of what becomes of them. */
function openSource(room: number) {
  const layer: ExpertLayer = { layer: 7, first: SIZE, numExperts: SIZE, numInstances: SIZE }
  const states = new Uint8Array(2 * SIZE)
  const slabs: (Slab | undefined)[] = Array.from({ length: 2 * SIZE }, () => undefined)
  const table = { states, slabs, isOnStandIn: new Uint8Array(2 * SIZE) } as unknown as ExpertTable
  const notes: string[] = []
  const faults = new Map<number, ExpertFault>()
  const slabOf = (instance: number): Slab => ({ instance }) as unknown as Slab
  const setAwake = (...instances: readonly number[]): void => {
    for (const instance of instances) {
      states[instance] = STATE.awake
      slabs[instance] = slabOf(instance)
    }
  }
  const held = (): number[] => [...states.keys()].filter((instance) => states[instance] !== STATE.asleep)
  const residency = {
    numAhead: 0,
    wake(instance: number, isUrgent: boolean, mayEvict: (other: number) => boolean) {
      if (held().length === room) {
        const victim = held().find((other) => states[other] === STATE.awake && mayEvict(other))
        if (victim === undefined) return false
        notes.push(`sleep ${victim}`)
        states[victim] = STATE.asleep
        slabs[victim] = undefined
      }
      notes.push(`wake ${instance}${isUrgent ? "" : " ahead"}`)
      states[instance] = STATE.waking
      return true
    },
    hurry: (instance: number) => void notes.push(`hurry ${instance}`),
    settle: () => {},
    unreserve: () => {},
    takeFault: (instance: number) => faults.get(instance),
    waitForNext() {
      const next = held().find((instance) => states[instance] === STATE.waking)!
      notes.push(`read ${next}`)
      if (faults.has(next)) states[next] = STATE.asleep
      else setAwake(next)
      residency.numAhead = 0
    },
  }
  const touched: [number, number][] = []
  const policy = { touch: (expert: number, step: number) => void touched.push([expert, step]) }
  const turn = { step: 4, layer: 0 }
  let numTurns = 0
  const watch = {
    isIsolating: () => false,
    mustSee: () => false,
    instanceFor: (of: ExpertLayer, expertId: number): number | undefined => of.first + expertId,
    onRun: (_: ExpertLayer, __: DispatchPlan, norms: Float32Array) => void notes.push(`ran ${norms.join(" ")}`),
    onUse: (_: ExpertLayer, instance: number) => void notes.push(`use ${instance}`),
    onBegin: () => void notes.push("begun"),
    onTurn: () => void numTurns++,
    onOutputs: (_: ExpertLayer, ready: readonly (Slab | undefined)[]) =>
      void notes.push(`out ${idsOf(ready).join(" ")}`),
  }
  const source = createLayerSource({
    table,
    layer,
    format: "int8",
    residency: residency as unknown as Residency,
    policy: policy as unknown as EvictionPolicy,
    turn,
    watch: watch as unknown as LayerWatch,
    standIn: STAND_IN,
  })
  const planOf = (ids: readonly number[]): DispatchPlan => {
    const offsets = new Int32Array(SIZE + 1)
    for (let e = 0; e < SIZE; e++) offsets[e + 1] = offsets[e]! + (ids.includes(e) ? 2 : 0)
    return { offsets } as DispatchPlan
  }
  const begin = (...ids: readonly number[]): void => source.begin(planOf(ids))
  const next = (): number[] | undefined => {
    const ready = source.next()
    return ready === undefined ? undefined : idsOf(ready)
  }
  const takeNotes = (): string[] => notes.splice(0)
  return {
    numTurns: () => numTurns,
    table,
    residency,
    faults,
    touched,
    turn,
    watch,
    source,
    setAwake,
    begin,
    next,
    takeNotes,
    planOf,
  }
}

const idsOf = (ready: readonly (Slab | undefined)[]): number[] =>
  [...ready.keys()].filter((e) => ready[e] !== undefined)

test("createLayerSource: those that are awake come first, while the others are read; then these, and then nobody", () => {
  const { setAwake, begin, next, numTurns, takeNotes, source, planOf } = openSource(12)
  setAwake(SIZE, SIZE + 2)
  begin(0, 1, 2, 4)
  expect(takeNotes()).toEqual(["wake 7", "wake 10", "begun"])
  expect(next()).toEqual([0, 2])
  source.observe!({} as Rows, {} as Rows, planOf([]))
  expect(takeNotes()).toEqual(["use 6", "use 8", "out 0 2"])
  expect([next(), next(), next()]).toEqual([[1], [4], undefined])
  const reads = takeNotes().filter((note) => !note.startsWith("hurry"))
  expect(reads).toEqual(["read 7", "use 7", "read 10", "use 10"])
  expect(numTurns()).toBe(3)
})

test("createLayerSource: more than memory holds are read once each, in the place of those that have run", () => {
  const { setAwake, begin, next, takeNotes, source } = openSource(2)
  setAwake(0, SIZE + 5)
  begin(0, 1, 3, 5)
  // The other layer's makes room; what this one needs and has not run does not.
  expect(takeNotes()).toEqual(["sleep 0", "wake 6", "begun"])
  expect(source.stillNeeds(SIZE + 5)).toBe(true)
  const given: number[][] = []
  for (let ids = next(); ids !== undefined; ids = next()) given.push(ids)
  expect(given).toEqual([[5], [0], [1], [3]])
  expect(takeNotes().filter((note) => note.startsWith("wake"))).toEqual(["wake 7", "wake 9"])
  expect(source.stillNeeds(SIZE + 5)).toBe(false)
})

test("createLayerSource: those on the stand-in come apart from the others, and one by one where a fault is looked for", () => {
  const { table, setAwake, begin, next, source, watch } = openSource(12)
  setAwake(...Array.from({ length: SIZE }, (_, e) => SIZE + e))
  table.isOnStandIn[SIZE + 1] = 1
  table.isOnStandIn[SIZE + 3] = 1
  begin(0, 1, 2, 3)
  expect([next(), source.standIn]).toEqual([[0, 2], undefined])
  expect([next(), source.standIn]).toEqual([[1, 3], STAND_IN])
  expect(next()).toBeUndefined()
  watch.isIsolating = () => true
  begin(0, 1, 2, 3)
  expect([next(), next(), next(), next(), next()]).toEqual([[0], [1], [2], [3], undefined])
})

test("createLayerSource: each use is told in the step that it is of: a layer that comes again begins another", () => {
  const { begin, touched, turn } = openSource(12)
  begin(1, 3)
  expect([touched.splice(0), turn.step]).toEqual([
    [
      [SIZE + 1, 4],
      [SIZE + 3, 4],
    ],
    4,
  ])
  begin(2)
  expect([touched.splice(0), { ...turn }]).toEqual([[[SIZE + 2, 5]], { step: 5, layer: 1 }])
  turn.layer = 0
  begin(2)
  expect(turn.step).toBe(5)
})

test("createLayerSource: what is being read ahead is hurried, not read again", () => {
  const { table, begin, takeNotes } = openSource(12)
  table.states[SIZE + 1] = STATE.waking
  begin(1, 2)
  expect(takeNotes()).toEqual(["hurry 7", "wake 8", "begun"])
})

test("createLayerSource: full of what is read ahead, it waits until one is there to make room; full of nothing else, it says so", () => {
  const { table, residency, begin, next, takeNotes } = openSource(1)
  table.states[0] = STATE.waking
  residency.numAhead = 1
  begin(4)
  expect(takeNotes()).toEqual(["begun"])
  expect(next()).toEqual([4])
  expect(takeNotes()).toEqual(["read 0", "sleep 0", "wake 10", "read 10", "use 10"])
  const none = openSource(0)
  none.begin(4)
  expect(() => none.next()).toThrow("layer 7: no room for a single expert within the memory budget")
})

test("createLayerSource: an expert that did not wake, or must not be used, is a fault", () => {
  const { faults, begin, next, watch, setAwake } = openSource(12)
  faults.set(SIZE + 2, new ExpertFault("checksum", 7, 2, "expected checksum 1, found 2"))
  begin(2)
  expect(next).toThrow("layer 7 expert 2: expected checksum 1, found 2")
  setAwake(SIZE + 1)
  watch.onUse = () => {
    throw new ExpertFault("throw", 7, 1, "an injected fault")
  }
  begin(1)
  expect(next).toThrow("layer 7 expert 1: an injected fault")
})

test("createLayerSource: all at once only where all are awake on the backend, of one version for all rows, and nobody has to look", () => {
  const { table, setAwake, source, watch } = openSource(12)
  const everyone = Array.from({ length: SIZE }, (_, e) => SIZE + e)
  setAwake(...everyone.slice(1))
  expect(source.all!(1)).toBeUndefined()
  setAwake(SIZE)
  expect(source.all!(1)).toEqual(everyone.map((instance) => table.slabs[instance]!))
  // Another version of expert 2 is what all rows run.
  watch.instanceFor = (_, expertId) => (expertId === 2 ? 0 : SIZE + expertId)
  setAwake(0)
  expect(source.all!(1)![2]).toBe(table.slabs[0]!)
  watch.instanceFor = (_, expertId) => (expertId === 2 ? undefined : SIZE + expertId)
  expect(source.all!(2)).toBeUndefined()
  watch.instanceFor = (_, expertId) => SIZE + expertId
  for (const key of ["mustSee", "isIsolating"] as const) {
    watch[key] = () => true
    expect(source.all!(1)).toBeUndefined()
    watch[key] = () => false
  }
  table.isOnStandIn[SIZE + 3] = 1
  expect(source.all!(1)).toBeUndefined()
})

test("createLayerSource: what all have run is told after the step: who was used, and how large their outputs were", () => {
  const { source, planOf, touched, takeNotes } = openSource(12)
  source.noteRun!(planOf([1, 3]), Float32Array.of(2, 3, 4, 5))
  expect(touched).toEqual([
    [SIZE + 1, 4],
    [SIZE + 3, 4],
  ])
  expect(takeNotes()).toEqual(["ran 2 3 4 5"])
})
