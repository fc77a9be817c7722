/** Who is awake, on the embedded model's experts: what is held, for whom it makes room, and what a copy is good for. */
import { afterAll, beforeAll, expect, test } from "bun:test"
import { rmSync } from "node:fs"
import { cacheDir, type Opened, prepareMini, runPrompt, withModel } from "../../test/openMini.ts"
import { STATE } from "./ExpertTable.ts"

beforeAll(prepareMini)
afterAll(() => rmSync(cacheDir, { recursive: true, force: true }))

const anyone = (): boolean => true
const storeOf = ({ experts }: Opened) => experts!.store

function awakeOf(opened: Opened): number[] {
  const { states } = storeOf(opened).table
  return [...states.keys()].filter((instance) => states[instance] === STATE.awake)
}

/** Wakes an instance, and waits until it is. */
function wake(opened: Opened, instance: number, mayEvict: (instance: number) => boolean = anyone): boolean {
  const { residency, table } = storeOf(opened)
  const isBegun = residency.wake(instance, true, mayEvict)
  while (table.states[instance] === STATE.waking) residency.waitForNext()
  return isBegun
}

test("createResidency: memory that is full goes from those who may sleep to those who wake, and from nobody else", () =>
  withModel({ numAwake: 3 }, (opened) => {
    const { residency, frameBytes } = storeOf(opened)
    for (const instance of [0, 1, 2]) expect(wake(opened, instance)).toBe(true)
    expect([awakeOf(opened), residency.usedBytes]).toEqual([[0, 1, 2], 3 * frameBytes])
    expect(wake(opened, 3, (instance) => instance === 1)).toBe(true)
    expect(awakeOf(opened)).toEqual([0, 2, 3])
    expect(wake(opened, 4, () => false)).toBe(false)
    expect([awakeOf(opened), residency.usedBytes]).toEqual([[0, 2, 3], 3 * frameBytes])
    expect(residency.counters).toMatchObject({ numWoken: 4, numSlept: 1, aheadBytes: 0 })
    expect(residency.heldBytes(1)).toBe(0)
    expect(residency.heldBytes(3)).toBe(frameBytes)
  }))

test("createResidency: a layer at its target makes room for itself, though others have more", () =>
  withModel({ numAwake: 20 }, (opened) => {
    const { residency, table } = storeOf(opened)
    const { first } = table.layers[1]!
    for (const instance of [0, 1, first, first + 1]) wake(opened, instance)
    residency.limits.targets[1] = 2
    expect(wake(opened, first + 2)).toBe(true)
    expect([...table.numHeld].slice(0, 2)).toEqual([2, 2])
    expect(wake(opened, first + 3, (instance) => instance < first)).toBe(false)
    expect(wake(opened, 2, () => false)).toBe(true)
    expect(awakeOf(opened).filter((instance) => instance < first)).toEqual([0, 1, 2])
    // Lowered targets and budgets hold at once, for whoever may sleep.
    residency.limits.targets[0] = 1
    residency.shrink((instance) => instance !== 0)
    expect([awakeOf(opened)[0], ...table.numHeld].slice(0, 3)).toEqual([0, 1, 2])
    residency.limits.budgetBytes = residency.usedBytes - 1
    residency.shrink(anyone)
    expect(awakeOf(opened).length).toBe(2)
  }))

test("createResidency: a read that nobody waits for is counted as ahead until it is hurried or done", () =>
  withModel({ numAwake: 20 }, (opened) => {
    const { residency, table } = storeOf(opened)
    residency.wake(0, false, anyone)
    residency.wake(1, false, anyone)
    residency.wake(2, true, anyone)
    expect(residency.numAhead).toBe(2)
    residency.hurry(0)
    expect(residency.numAhead).toBe(1)
    while (table.states.includes(STATE.waking)) residency.waitForNext()
    const { bytes } = table.files[0]!.entry
    expect([residency.numAhead, residency.counters.aheadBytes]).toEqual([0, 2 * bytes])
    expect(residency.counters.readBytes).toBe(3 * bytes)
  }))

test("createResidency: forgotten while it is read, an expert holds nothing, and can be woken again", () =>
  withModel({ numAwake: 20 }, (opened) => {
    const { residency, table, frameBytes } = storeOf(opened)
    residency.wake(0, true, anyone)
    expect(residency.usedBytes).toBe(frameBytes)
    residency.forget(0)
    expect([table.states[0], residency.usedBytes, table.numHeld[0]]).toEqual([STATE.asleep, 0, 0])
    expect(wake(opened, 0)).toBe(true)
    expect([residency.isIntact(0), residency.isIntact(1)]).toEqual([true, undefined])
  }))

test("createResidency: a replica is memory of its own with the same bytes, and goes on where the first cannot", () =>
  withModel({ numAwake: 3 }, (opened) => {
    const { residency, table, frameBytes } = storeOf(opened)
    const { arena } = opened.backend
    expect(residency.replicate(0)).toBe(false)
    wake(opened, 0)
    const frame = table.frames[0]!
    const bytes = arena.bytes(frame).slice()
    expect([residency.replicate(0), residency.replicate(0)]).toEqual([true, false])
    expect([residency.usedBytes, residency.heldBytes(0)]).toEqual([2 * frameBytes, 2 * frameBytes])
    arena.bytes(frame).fill(0xa5)
    expect(residency.isIntact(0)).toBe(false)
    residency.useReplica(0)
    expect(table.frames[0]).not.toBe(frame)
    expect(Buffer.compare(arena.bytes(table.frames[0]!), bytes)).toBe(0)
    expect([residency.isIntact(0), residency.hasReplica(0), residency.usedBytes]).toEqual([true, false, frameBytes])
    // It is open on the new memory: the old one is somebody else's by now.
    wake(opened, 1)
    wake(opened, 2)
    expect(residency.replicate(0)).toBe(false)
    expect(residency.isIntact(0)).toBe(true)
  }))

test("createResidency: an expert that falls asleep takes its replica with it", () =>
  withModel({ numAwake: 4 }, (opened) => {
    const { residency, frameBytes } = storeOf(opened)
    wake(opened, 0)
    residency.replicate(0)
    residency.sleep(0)
    expect([residency.usedBytes, residency.hasReplica(0)]).toEqual([0, false])
    wake(opened, 1)
    residency.replicate(1)
    residency.dropReplica(1)
    residency.dropReplica(1)
    expect(residency.usedBytes).toBe(frameBytes)
  }))

test("createLayerSource: with two frames a layer's experts come two at a time, each once, and none goes before it has run", () =>
  withModel({ numAwake: 2 }, (opened) => {
    const { table, source, mayEvict, residency, frameBytes } = storeOf(opened)
    runPrompt(opened, 0)
    const { layer, first, numInstances } = table.layers[2]!
    const needed = [0, 2, 3, 5, 7]
    const offsets = new Int32Array(numInstances + 1)
    for (let e = 0; e < numInstances; e++) offsets[e + 1] = offsets[e]! + (needed.includes(e) ? 1 : 0)
    const of = source(layer)
    of.begin({ offsets } as Parameters<typeof of.begin>[0])
    const given: number[] = []
    for (let ready = of.next(); ready !== undefined; ready = of.next()) {
      const now = needed.filter((e) => ready![e] !== undefined)
      expect(ready.filter((slab) => slab !== undefined).length).toBe(now.length)
      expect(now.length).toBeWithin(1, 3)
      for (const e of now) expect(ready[e]).toBe(table.slabs[first + e]!)
      given.push(...now)
      for (const e of needed) expect(mayEvict(first + e)).toBe(given.includes(e))
      expect(residency.usedBytes).toBeLessThanOrEqual(2 * frameBytes)
    }
    expect(given.toSorted()).toEqual(needed)
    expect(mayEvict(table.layers[1]!.first)).toBe(true)
  }))
