import { expect, mock, spyOn, test } from "bun:test"
import type { ExpertChange } from "../control.ts"
import type { ExpertStore } from "./createExpertStore.ts"
import { createTender } from "./createTender.ts"
import type { ExpertHealth } from "./ExpertHealth.ts"
import type { ExpertKeeper } from "./ExpertKeeper.ts"
import type { ExpertLoad } from "./ExpertLoad.ts"
import type { ExpertProbe } from "./ExpertProbe.ts"
import { STATE } from "./ExpertTable.ts"

const IDLE_MS = 5000

/** A tender of two layers of three experts, all awake and intact, and notes of what it does. */
function fakeTender(idleMs = IDLE_MS) {
  const clock = { ms: 100_000 }
  const notes: string[] = []
  const states = new Uint8Array(6).fill(STATE.awake)
  const broken = new Set<number>()
  const replicas = new Set<number>()
  const probes: { due?: number; msToProbe: number; isWell: boolean } = {
    msToProbe: Number.POSITIVE_INFINITY,
    isWell: true,
  }
  const usedMs = new Float64Array(6)
  const loads = [0, 0, 0, 0, 0, 0]
  const layers = [0, 3].map((first) => ({ layer: first, first, numExperts: 3, numInstances: 3 }))
  const residency = {
    sleep(instance: number) {
      notes.push(`sleep ${instance}`)
      residency.counters.numSlept++
      states[instance] = STATE.asleep
    },
    counters: { numWoken: 0, numSlept: 0 },
    trim: () => void notes.push("trim"),
    isIntact: (instance: number) => (states[instance] === STATE.awake ? !broken.has(instance) : undefined),
    forget(instance: number) {
      notes.push(`forget ${instance}`)
      states[instance] = STATE.asleep
    },
    hasReplica: (instance: number) => replicas.has(instance),
    dropReplica: (instance: number) => void replicas.delete(instance),
    replicate: (instance: number) => replicas.add(instance) !== undefined,
  }
  const changes: string[] = []
  const tender = createTender({
    store: { table: { layers, numInstances: 6, states }, residency } as unknown as ExpertStore,
    load: { usedMs, tokensPerSec: (instance: number) => loads[instance]! } as unknown as ExpertLoad,
    health: {
      note: (instance: number, reason: string) => void notes.push(`note ${instance}: ${reason}`),
      nextProbe: () => probes.due,
      msToProbe: () => probes.msToProbe,
      settle: (instance: number, isWell: boolean) => void notes.push(`settle ${instance} ${isWell}`),
    } as unknown as ExpertHealth,
    keeper: { copies: () => 0, wantsTwice: false } as unknown as ExpertKeeper,
    probe: {
      record: (instance: number) => void notes.push(`record ${instance}`),
      run: (instance: number) => ({ isWell: probes.isWell, reason: `probed ${instance}` }),
    } as unknown as ExpertProbe,
    idleMs,
    nowMs: () => clock.ms,
    onChange: ({ change, detail }: Omit<ExpertChange, "atMs">) => void changes.push(`${change}: ${detail}`),
  })
  /** Tends until everything is verified; returns what the last turn says. */
  const settle = (): number => {
    let restMs = 0
    for (let turn = 0; turn < 7 && restMs === 0; turn++) restMs = tender.tend()
    return restMs
  }
  const takeNotes = (): string[] => notes.splice(0)
  return { clock, tender, states, broken, replicas, probes, usedMs, loads, changes, settle, takeNotes }
}

test("createTender: who was not used for the idle time falls asleep, at that moment and no sooner", () => {
  const { clock, tender, states, usedMs, changes, settle, takeNotes } = fakeTender()
  expect(settle()).toBe(IDLE_MS)
  usedMs[2] = clock.ms + 1000
  takeNotes()
  clock.ms += IDLE_MS - 1
  expect(tender.tend()).toBe(1)
  expect(takeNotes()).toEqual([])
  clock.ms += 1
  expect(tender.tend()).toBe(1000)
  expect(takeNotes()).toEqual(["sleep 0", "sleep 1", "sleep 3", "sleep 4", "sleep 5", "trim"])
  expect(changes).toEqual(["slept: 5 experts that nobody used"])
  clock.ms += 1000
  expect(tender.tend()).toBe(Number.POSITIVE_INFINITY)
  expect(takeNotes()).toEqual(["sleep 2", "trim"])
  expect([...states]).toEqual([0, 0, 0, 0, 0, 0])
  tender.tend()
  expect([takeNotes(), changes.length]).toEqual([[], 2])
})

test("createTender: without an idle time nobody falls asleep", () => {
  const { clock, tender, settle, takeNotes } = fakeTender(Number.POSITIVE_INFINITY)
  expect(settle()).toBe(Number.POSITIVE_INFINITY)
  clock.ms += 1e12
  takeNotes()
  expect(tender.tend()).toBe(Number.POSITIVE_INFINITY)
  expect(takeNotes()).toEqual([])
})

test("createTender: each slab is verified once after work; one that has changed is told of once, and read again", () => {
  const { tender, broken, settle, takeNotes } = fakeTender(Number.POSITIVE_INFINITY)
  settle()
  expect(takeNotes().toSorted()).toEqual([0, 1, 2, 3, 4, 5].map((instance) => `record ${instance}`))
  expect(tender.takeSpoiled()).toBe(false)
  broken.add(4)
  settle()
  expect(takeNotes()).toEqual([])
  tender.noteWork()
  settle()
  const notes = takeNotes()
  expect(notes.filter((note) => !note.startsWith("record"))).toEqual([
    "note 4: its bytes in memory have changed: it is read again",
    "forget 4",
  ])
  expect(notes.length).toBe(7)
  expect([tender.takeSpoiled(), tender.takeSpoiled()]).toEqual([true, false])
})

test("createTender: who sleeps is not verified; a turn verifies one slab at least, and all that a millisecond is enough for", () => {
  const { tender, states, takeNotes } = fakeTender(Number.POSITIVE_INFINITY)
  states[3] = STATE.asleep
  let nowMs = 0
  let callMs = 0
  spyOn(performance, "now").mockImplementation(() => (nowMs += callMs))
  expect(tender.tend()).toBe(Number.POSITIVE_INFINITY)
  expect(takeNotes()).toEqual([1, 2, 4, 5, 0].map((instance) => `record ${instance}`))
  callMs = 1
  tender.noteWork()
  expect([tender.tend(), takeNotes()]).toEqual([0, ["record 1"]])
  callMs = 0.5
  expect([tender.tend(), takeNotes()]).toEqual([0, ["record 2", "record 4"]])
  mock.restore()
})

test("createTender: a probe that is due runs, and says how it went; one that is not is waited for", () => {
  const { tender, probes, settle, takeNotes } = fakeTender(Number.POSITIVE_INFINITY)
  settle()
  takeNotes()
  probes.msToProbe = 250
  expect(tender.tend()).toBe(250)
  expect(takeNotes()).toEqual([])
  for (const isWell of [true, false]) {
    Object.assign(probes, { due: 3, isWell })
    tender.tend()
    expect(takeNotes()).toEqual([`settle 3 ${isWell}`])
  }
})

test("createTender: what comes first of sleep and probe is when it is tended again", () => {
  const { probes, settle, tender } = fakeTender()
  settle()
  probes.msToProbe = 7000
  expect(tender.tend()).toBe(IDLE_MS)
  probes.msToProbe = 300
  expect(tender.tend()).toBe(300)
})

test("createTender: the busiest of each layer have a second copy, one more in a turn; who is busy no more loses it", () => {
  const { tender, replicas, loads, states, settle } = fakeTender(Number.POSITIVE_INFINITY)
  settle()
  loads.splice(0, 6, 1, 3, 2, 5, 5, 5)
  tender.setReplicas(2)
  expect(tender.tend()).toBe(0)
  expect([...replicas]).toEqual([1, 3])
  expect(tender.tend()).toBe(0)
  expect([...replicas].toSorted()).toEqual([1, 2, 3, 4])
  expect(tender.tend()).toBe(Number.POSITIVE_INFINITY)
  loads[0] = 9
  states[0] = STATE.asleep
  tender.tend()
  expect([...replicas].toSorted()).toEqual([1, 3, 4])
  states[0] = STATE.awake
  tender.tend()
  expect([...replicas].toSorted()).toEqual([0, 1, 3, 4])
  expect(tender.numReplicas()).toBe(2)
  tender.setReplicas(1)
  expect(replicas.size).toBe(4)
  tender.tend()
  expect([...replicas].toSorted()).toEqual([0, 3])
  tender.setReplicas(0)
  tender.tend()
  expect([...replicas]).toEqual([])
})

test("createTender: what has changed in memory is not copied", () => {
  const { tender, replicas, broken, loads, settle } = fakeTender(Number.POSITIVE_INFINITY)
  settle()
  loads[1] = 1
  broken.add(1)
  tender.setReplicas(1)
  tender.tend()
  expect([...replicas]).toEqual([3])
})
