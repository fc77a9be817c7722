/** Experts of the embedded model in memory domains that are told apart by their segments. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { rmSync } from "node:fs"
import { cacheDir, type Opened, prepareMini, runPrompt, withModel } from "../../test/openMini.ts"
import type { ExpertChange } from "../control.ts"
import { createExpertDomains } from "./ExpertDomains.ts"
import { instanceOf, STATE } from "./ExpertTable.ts"
import { createRebalancer } from "./Rebalancer.ts"

beforeAll(prepareMini)
afterAll(() => rmSync(cacheDir, { recursive: true, force: true }))

/** Most copies at one step boundary. */
const FEW = 4

const reportOf = (opened: Opened) => opened.experts!.report()
/** By layer: how many experts each domain holds. */
const heldByDomain = (opened: Opened, numDomains: number): number[][] => {
  const { experts } = reportOf(opened)
  return opened.experts!.store.table.layers.map(({ layer }) => {
    const held = experts.filter((of) => of.layer === layer).map(({ domains: [domain] }) => domain)
    return Array.from({ length: numDomains }, (_, d) => held.filter((domain) => domain === d).length)
  })
}

/** Runs a prompt; returns its logits, and how many experts moved at each step boundary. */
function runCounting(opened: Opened, numDecoded: number): { logits: Float32Array[]; batches: number[] } {
  const { experts } = opened
  const { counters } = experts!.store.residency
  const batches: number[] = []
  const counting = {
    ...experts!,
    stepDone() {
      const before = counters.numMoved
      const rungs = experts!.stepDone()
      batches.push(counters.numMoved - before)
      return rungs
    },
  }
  const { logits } = runPrompt({ ...opened, experts: counting }, numDecoded)
  return { logits, batches }
}

/** A rebalancer of its own over an open model's experts, for loads that are made up: shares of the time by layer and expert. */
function rebalanceBy(
  { experts, backend: { arena } }: Opened,
  shareOf: (layer: number, expert: number) => number,
  isSettled: (instance: number) => boolean = () => true,
) {
  const { table, residency, frameBytes } = experts!.store
  // Room for a copy; until now the engine's own rebalancer had none.
  residency.limits.budgetBytes += frameBytes
  const clock = { ms: 0 }
  const moves: Pick<ExpertChange, "layer" | "expert">[] = []
  const load = {
    timeShare: (instance: number) => shareOf(table.layerOf[instance]!, table.expertIds[instance]!),
  }
  const domains = createExpertDomains({ table, arena, load, isSettled })
  const onChange = ({ layer, expert }: Omit<ExpertChange, "atMs">): void => void moves.push({ layer, expert })
  const rebalancer = createRebalancer({ table, residency, domains, arena, nowMs: () => clock.ms, onChange })
  return {
    domains,
    moves,
    /** Lets steps pass; returns how many experts moved after each. */
    run(numSteps: number, stepMs = 10_000): number[] {
      return Array.from({ length: numSteps }, () => {
        const before = moves.length
        clock.ms += stepMs
        rebalancer.stepDone()
        return moves.length - before
      })
    },
  }
}
/** Half of the experts, those that share a domain of two at the start, have nearly all of the load. */
const skewed = (_layer: number, expert: number): number => (expert % 2 === 0 ? 0.02 : 2e-5) * (1 + expert / 100)

describe("memory domains", () => {
  test.each([2, 3, 4])("%d: a layer's experts are spread over them evenly when they wake", (numDomains) =>
    withModel({ numAwake: 48, numDomains }, (opened) => {
      for (const held of heldByDomain(opened, numDomains)) {
        expect(held.reduce((sum, count) => sum + count, 0)).toBe(8)
        expect(Math.max(...held) - Math.min(...held)).toBeLessThanOrEqual(1)
      }
      expect(reportOf(opened).residency).toMatchObject({ numDomains, numMoved: 0, domainBalance: 1 })
    }),
  )

  test("who wakes goes to its layer's least loaded domain, unless that one holds its share already", () =>
    withModel({ numAwake: 48, numDomains: 2 }, (opened) => {
      const { table, residency } = opened.experts!.store
      const { domains } = rebalanceBy(opened, (_, expert) => (expert === 0 ? 100 : expert === 2 ? 50 : expert))
      const [layer] = table.layers
      const sleep = (...experts: number[]): void => {
        for (const expert of experts) residency.sleep(layer!.first + expert)
      }
      // Domain 0 has 0, 2, 4, 6: it does the most, and is full.
      expect(residency.domainsOf(layer!.first + 2)).toEqual([0])
      sleep(7)
      expect(domains.choose(layer!.first + 7)).toBe(1)
      sleep(2, 4)
      // Now 0 and 6 against 1, 3, 5: domain 1 does less, but holds half of six already.
      expect(domains.choose(layer!.first + 2)).toBe(0)
      sleep(0, 1)
      // Now 6 against 3 and 5; then 6 against 5.
      expect(domains.choose(layer!.first + 2)).toBe(0)
      sleep(3)
      expect(domains.choose(layer!.first + 2)).toBe(1)
      // A second copy lies elsewhere than the first, whatever that one does.
      expect([0, 1].map((other) => domains.choose(layer!.first + 2, other))).toEqual([1, 0])
    }))

  test("of domains that do the same, who wakes goes to the one that holds fewer", () =>
    withModel({ numAwake: 48, numDomains: 3 }, (opened) => {
      const { table, residency } = opened.experts!.store
      const { domains } = rebalanceBy(opened, () => 0)
      const { first } = table.layers[0]!
      // What is left is 0 and 3 in the first domain, 1 in the second.
      for (const expert of [2, 4, 5, 6, 7]) residency.sleep(first + expert)
      expect(domains.choose(first + 2)).toBe(2)
    }))

  test("under the model's own load experts move, a few at a boundary; balance is better, and all bits are the same", () => {
    const clock = { ms: 1_000_000 }
    const run = (numAwake: number) =>
      withModel({ numAwake, numDomains: 2, options: { nowMs: () => clock.ms } }, (opened) => {
        const runs = Array.from({ length: 12 }, () => {
          clock.ms += 6000
          return runCounting(opened, 6)
        })
        const { residency } = reportOf(opened)
        expect(residency.usedBytes).toBe(48 * opened.experts!.store.frameBytes)
        return { runs, residency }
      })
    // Without room for one more frame nobody can move.
    const still = run(48)
    const moved = run(49)
    expect(still.residency.numMoved).toBe(0)
    expect(moved.residency.numMoved).toBeGreaterThan(0)
    expect(Math.max(...moved.runs.flatMap(({ batches }) => batches))).toBeLessThanOrEqual(FEW)
    expect(moved.residency.domainBalance).toBeGreaterThan(still.residency.domainBalance + 0.05)
    const expected = still.runs[0]!.logits
    for (const { logits } of [...still.runs, ...moved.runs]) expect(logits).toEqual(expected)
  })

  test.each([
    { numDomains: 2, shareOf: skewed, numMoves: 4 },
    { numDomains: 3, shareOf: (_: number, e: number) => 1e-4 * [79, 8, 15, 100, 1, 112, 1, 64][e]!, numMoves: 6 },
  ])("a skewed load is evened out, then nobody moves; no memory is left behind: %p", (given) =>
    withModel({ numAwake: 48, numDomains: given.numDomains }, (opened) => {
      const { logits } = runPrompt(opened)
      const { backend, experts } = opened
      const { table, residency, frameBytes } = experts!.store
      const { usedBytes } = backend.arena
      const { domains, run, moves } = rebalanceBy(opened, given.shareOf)
      expect(domains.balance()).toBeLessThan(0.75)
      const batches = run(40)
      expect(Math.max(...batches)).toBeLessThanOrEqual(FEW)
      expect(domains.balance()).toBeGreaterThan(0.88)
      expect(moves.length).toBe(table.layers.length * given.numMoves)
      expect(run(40)).toEqual(Array.from({ length: 40 }, () => 0))
      expect(backend.arena.usedBytes).toBe(usedBytes)
      expect(runPrompt(opened).logits).toEqual(logits)
      for (let instance = 0; instance < table.numInstances; instance++) residency.forget(instance)
      residency.trim()
      expect(usedBytes - backend.arena.usedBytes).toBe(48 * frameBytes)
    }),
  )

  test("most steps are no time to look: after a few moves it waits, and longer when all layers were looked at", () =>
    withModel({ numAwake: 48, numDomains: 2 }, (opened) => {
      let hot: readonly number[] = [0, 2, 4, 6]
      const { run } = rebalanceBy(opened, (_, expert) => (hot.includes(expert) ? 0.02 : 2e-5))
      expect(run(1, 0)).toEqual([4])
      expect(run(20, 0).every((count) => count === 0)).toBe(true)
      expect(run(20).some((count) => count > 0)).toBe(true)
      run(20, 0)
      // Those that are in the first domain now.
      hot = reportOf(opened).experts.flatMap(({ layer, expert, domains: [at] }) =>
        layer === 0 && at === 0 ? [expert] : [],
      )
      expect(run(20, 200).every((count) => count === 0)).toBe(true)
      expect(run(20, 1000).some((count) => count > 0)).toBe(true)
    }))

  test("a load that wavers by a few percent moves nobody", () =>
    withModel({ numAwake: 48, numDomains: 2 }, (opened) => {
      const turn = { at: 0 }
      const { run } = rebalanceBy(opened, (layer, expert) => 0.02 * (1 + ((layer + expert + turn.at) % 3) / 20))
      for (turn.at = 0; turn.at < 6; turn.at++) expect(run(6)).toEqual([0, 0, 0, 0, 0, 0])
    }))

  test("nobody moves where that does not pay", () =>
    withModel({ numAwake: 48, numDomains: 2 }, (opened) => {
      // As skewed, but some nanoseconds a second.
      const { domains, run } = rebalanceBy(opened, (layer, expert) => skewed(layer, expert) * 1e-7)
      expect(domains.balance()).toBeLessThan(0.6)
      expect(run(20).every((count) => count === 0)).toBe(true)
    }))

  test("who drains or has failed stays where it is", () =>
    withModel({ numAwake: 48, numDomains: 2 }, (opened) => {
      const { table } = opened.experts!.store
      const { run, moves } = rebalanceBy(opened, skewed, (instance) => table.expertIds[instance]! > 1)
      run(40)
      expect(moves.length).toBeGreaterThan(0)
      expect(moves.filter(({ expert }) => expert <= 1)).toEqual([])
    }))

  test("a replica never lies in its original's domain, also after moves; and it stands in with the same bits", () =>
    withModel({ numAwake: 96, numDomains: 2 }, (opened) => {
      const { logits } = runPrompt(opened)
      const { experts } = opened
      void experts!.control({ kind: "scale", awakePerLayer: null, replicasPerLayer: 8 })
      for (let t = 0; t < 8; t++) experts!.tend()
      const areApart = (): boolean => reportOf(opened).experts.every(({ domains: [a, b] }) => b === 1 - Number(a))
      expect(areApart()).toBe(true)
      const { usedBytes } = experts!.store.residency
      // There is no room to copy, and no need: originals and replicas change roles.
      experts!.store.residency.limits.budgetBytes = usedBytes
      const { domains, run } = rebalanceBy(opened, skewed)
      run(40)
      expect(domains.balance()).toBeGreaterThan(0.9)
      expect(areApart()).toBe(true)
      expect(experts!.store.residency.usedBytes).toBe(usedBytes)
      const { readBytes } = experts!.store.residency.counters
      const expert = opened.transformer.routing(1)!.expertIds[0]!
      void experts!.control({ kind: "fault", fault: "throw", layer: 1, expert, count: 1 })
      const after = runPrompt(opened)
      expect(after.logits).toEqual(logits)
      expect(after.rungs).toEqual([{ layer: 1, expertId: expert, rung: "replica" }])
      expect(experts!.store.residency.counters.readBytes).toBe(readBytes)
    }))

  test("bytes that have changed in memory move nowhere", () =>
    withModel({ numAwake: 50, numDomains: 2 }, (opened) => {
      const { experts } = opened
      const { table, residency } = experts!.store
      const corrupt = (expert: number): number => {
        void experts!.control({ kind: "fault", fault: "corrupt-slab", layer: 2, expert, count: 1 })
        return instanceOf(table, 2, expert)!
      }
      const spoilt = corrupt(0)
      const { usedBytes } = residency
      const arenaBytes = opened.backend.arena.usedBytes
      expect(residency.move(spoilt, 1)).toBe(false)
      expect([residency.domainsOf(spoilt), residency.usedBytes]).toEqual([[0], usedBytes])
      // The second copy is spoilt where the first one was when it was made.
      const other = corrupt(2)
      expect(residency.replicate(other)).toBe(true)
      expect(residency.move(other, 1)).toBe(false)
      expect([residency.domainsOf(other), residency.usedBytes]).toEqual([[0], usedBytes])
      expect(residency.move(instanceOf(table, 2, 4)!, 1)).toBe(true)
      expect(residency.counters.numMoved).toBe(1)
      residency.trim()
      expect(opened.backend.arena.usedBytes).toBe(arenaBytes)
    }))

  test("where memory is short experts are placed when they wake, and do not move; the bits are the same", () => {
    const { logits } = withModel({ numAwake: 48 }, runPrompt)
    withModel({ numAwake: 20, numDomains: 2 }, (opened) => {
      for (let round = 0; round < 3; round++) expect(runPrompt(opened).logits).toEqual(logits)
      const { table, residency, frameBytes } = opened.experts!.store
      expect(reportOf(opened).residency.numMoved).toBe(0)
      expect(residency.usedBytes).toBeLessThanOrEqual(20 * frameBytes)
      const used = heldByDomain(opened, 2).reduce(([a, b], [c, d]) => [a! + c!, b! + d!], [0, 0])
      expect(used.reduce((sum, count) => sum + count, 0)).toBe(
        table.states.filter((state) => state !== STATE.asleep).length,
      )
      expect(Math.min(...used)).toBeGreaterThan(0)
    })
  })

  test("where a layer may hold fewer than its experts, nobody moves", () =>
    withModel({ numAwake: 48, numDomains: 2 }, (opened) => {
      void opened.experts!.control({ kind: "scale", awakePerLayer: 7, replicasPerLayer: 0 })
      const { domains, run } = rebalanceBy(opened, skewed)
      expect(domains.balance()).toBeLessThan(0.8)
      expect(run(20).every((count) => count === 0)).toBe(true)
      void opened.experts!.control({ kind: "scale", awakePerLayer: 8, replicasPerLayer: 0 })
      expect(run(20).some((count) => count > 0)).toBe(true)
    }))

  test("where there is one domain everything lies in it, and nothing is looked at", () =>
    withModel({ numAwake: 60 }, (opened) => {
      for (let round = 0; round < 3; round++) runPrompt(opened)
      const { experts, residency } = reportOf(opened)
      for (const { domains } of experts) expect(domains).toEqual([0])
      expect(residency).toMatchObject({ numDomains: 1, numMoved: 0, domainBalance: 1 })
    }))
})
