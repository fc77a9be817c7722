import { beforeEach, describe, expect, test } from "bun:test"
import {
  BACKEND_CASES,
  checkCase,
  createReferenceBackend,
  StateLostError,
  type Backend,
  type RoutedLayer,
} from "@consilium/kernels"
import { createFakeDevice, type FakeDevice } from "../../test/createFakeDevice.ts"
import {
  ALL,
  WIDTH,
  arena,
  beginTest,
  expectClose,
  given,
  homes,
  NUM_TOKENS,
  openAll,
  reference,
  rows,
  runStep,
  tierOf,
} from "../../test/tierFixture.ts"

beforeEach(beginTest)

describe.each([true, false])("createTieredBackend: a device that keeps rows %p", (keepsRows) => {
  test("passes the table of cases", () => {
    const tier = tierOf(createFakeDevice(arena, { keepsRows }))
    const before = arena.usedBytes
    for (const item of BACKEND_CASES) expect(checkCase(item, tier, reference)).toBeUndefined()
    tier.close()
    expect(arena.usedBytes).toBe(before)
  })

  test.each(homes())(
    "at home %s: whoever holds an expert, and in whatever turns they come, the step is the same",
    (_, homeOf) => {
      for (const held of [[], [1], [0, 2], [0, 1, 2, 3]]) {
        for (const turns of [
          ALL,
          [[0], [1, 2], [3]],
          [
            [1, 3],
            [0, 2],
          ],
        ]) {
          const tier = tierOf(createFakeDevice(arena, { keepsRows }), homeOf())
          const { dense, slabs } = openAll(tier)
          for (const e of held) expect(tier.tier.promote(slabs[e]!)).toBe(true)
          expectClose(runStep(tier, dense, slabs, turns))
          tier.close()
        }
      }
    },
  )

  test("a device that is lost in any call of a step is a fault of that step; the next runs at home, and the one after the probe on it again", () => {
    const names = keepsRows
      ? ["beginStep", "norm", "matmul", "sync", "experts", "addScaled", "endStep"]
      : ["matmul", "experts"]
    for (const name of names) {
      given.ms = 0
      const device = createFakeDevice(arena, { keepsRows })
      const tier = tierOf(device)
      const { dense, slabs } = openAll(tier)
      tier.tier.promote(slabs[1]!)
      expectClose(runStep(tier, dense, slabs, ALL))
      device.failNext(name)
      const thrown = ((): unknown => {
        try {
          return runStep(tier, dense, slabs, ALL)
        } catch (error) {
          return error
        }
      })()
      expect(thrown, name).toBeInstanceOf(Error)
      expect(thrown instanceof StateLostError, name).toBe(false)
      expect(tier.tier.state).toBe("away")
      expect(tier.tier.holds(slabs[1]!)).toBe(false)
      device.calls.length = 0
      expectClose(runStep(tier, dense, slabs, ALL))
      expect(device.calls).toEqual([])
      // Too early, then in time.
      expect(tier.tier.tend()).toBeGreaterThan(0)
      expect(device.calls).toEqual([])
      given.ms += 1000
      expect(tier.tier.tend()).toBe(Number.POSITIVE_INFINITY)
      expect(tier.tier.state).toBe("in-use")
      expect(tier.tier.holds(dense)).toBe(true)
      expectClose(runStep(tier, dense, slabs, ALL))
      expect(device.calls).toContain("matmul")
      tier.close()
    }
    expect(given.changes.slice(0, 2)).toEqual([
      expect.stringMatching(/^fake is lost, what it held computes at home: /),
      expect.stringMatching(/^fake is back: opening \d+ ms, probe \d+ ms, uploads \d+ ms$/),
    ])
  })

  test("a probe that fails puts the next one off twice as long", () => {
    const tier = tierOf(createFakeDevice(arena, { keepsRows }))
    const { dense, slabs } = openAll(tier)
    tier.endHost!()
    expect(() => runStep(tier, dense, slabs, ALL)).toThrow("lost")
    given.problem = "wrong answers"
    const waits = [1, 2, 3].map(() => {
      const waitMs = tier.tier.tend()
      given.ms += waitMs
      return waitMs
    })
    expect(waits[1]! / waits[0]!).toBeGreaterThan(1.5)
    expect(waits[2]! / waits[1]!).toBeGreaterThan(1.5)
    expect(tier.tier.breaker).toMatchObject({ state: "open", why: "wrong answers" })
    tier.close()
  })
})

describe("createTieredBackend", () => {
  test("a device that takes long to open keeps nobody waiting; one that cannot be opened is tried again later", () => {
    const device = createFakeDevice(arena)
    const tier = tierOf(device)
    const { dense, slabs } = openAll(tier)
    tier.endHost!()
    expect(() => runStep(tier, dense, slabs, ALL)).toThrow("lost")
    device.delayOpening(2, "no device")
    given.ms += tier.tier.tend()
    for (const state of ["half-open", "half-open", "open"]) {
      expect(tier.tier.tend()).toBeGreaterThan(0)
      expect(tier.tier.breaker.state).toBe(state as "open")
      expectClose(runStep(tier, dense, slabs, ALL))
    }
    expect(tier.tier.breaker.why).toBe("no device")
    device.delayOpening(1)
    given.ms += tier.tier.tend()
    tier.tier.tend()
    expect(tier.tier.state).toBe("away")
    expect(tier.tier.tend()).toBe(Number.POSITIVE_INFINITY)
    expect(tier.tier.state).toBe("in-use")
    tier.close()
  })

  test("the device is told to begin before home computes, and asked for nothing before home has", () => {
    const device = createFakeDevice(arena)
    const calls = device.calls
    const home = createReferenceBackend(arena)
    const watched: Backend = {
      ...home,
      expert(...parameters) {
        calls.push("at home")
        home.expert(...parameters)
      },
    }
    const tier = tierOf(device, watched)
    const { dense, slabs } = openAll(tier)
    tier.tier.promote(slabs[0]!)
    calls.length = 0
    runStep(tier, dense, slabs, [[0, 1]])
    expect(calls.slice(0, 8)).toEqual(["beginStep", "norm", "matmul", "sync", "experts", "submit", "at home", "sync"])
    tier.close()
  })

  test("an expert by itself runs at home, wherever its copy is: its bits are those that were recorded", () => {
    const device = createFakeDevice(arena)
    const tier = tierOf(device)
    const { slabs } = openAll(tier)
    tier.tier.promote(slabs[0]!)
    device.calls.length = 0
    tier.expert(rows.out, rows.x, 0, 1, slabs[0]!)
    expect(device.calls).not.toContain("expert")
    tier.close()
  })

  test("keys and values that are lost between two steps are a fault of the next one, once", () => {
    const device = createFakeDevice(arena)
    const tier = tierOf(device)
    const { dense, slabs } = openAll(tier)
    const layer = {
      numHeads: 1,
      numKvHeads: 1,
      headDim: 16,
      scale: 1,
      rope: undefined,
      slidingWindow: 8,
      qkNorm: undefined,
    }
    const [qkv, out, keys, values] = [arena.rows(1, 48), arena.rows(1, 16), arena.rows(4, 16), arena.rows(4, 16)]
    const slot = { firstRow: 0, numRows: 1, pastLength: 0, capacity: 4, keys, values }
    tier.attend(out, qkv, [slot], layer)
    device.failNext("openSlab")
    expect(tier.tier.promote(slabs[0]!)).toBe(false)
    expect(() => runStep(tier, dense, slabs, ALL)).toThrow(StateLostError)
    expectClose(runStep(tier, dense, slabs, ALL))
    given.ms += 1000
    tier.tier.tend()
    tier.beginStep!()
    tier.attend(out, qkv, [slot], layer)
    device.failNext("sync")
    expect(() => tier.sync!()).toThrow(StateLostError)
    expectClose(runStep(tier, dense, slabs, ALL))
    tier.close()
    for (const { span } of [qkv, out, keys, values]) arena.free(span)
  })

  test("keys and values are kept as both sides have them, in what the device likes best; as home has them where that attends", () => {
    const formatsOf = (device: FakeDevice, own: Backend["cacheFormats"]): Backend["cacheFormats"] => {
      const cacheFormats: Backend["cacheFormats"] = ["bf16/16", "bf16/8", "f32"]
      const tier = tierOf({ ...device, cacheFormats }, { ...reference, cacheFormats: own })
      tier.close()
      return tier.cacheFormats
    }
    for (const own of [["bf16/16", "f32"], ["bf16/8", "f32"], ["f32"]] as const)
      expect(formatsOf(createFakeDevice(arena), own)).toEqual(own)
    expect(formatsOf(createFakeDevice(arena), ["f32", "bf16/8"])).toEqual(["bf16/8", "f32"])
    expect(formatsOf(createFakeDevice(arena, { keepsRows: false }), ["f32", "bf16/8"])).toEqual(["f32", "bf16/8"])
  })

  test("a whole layer is the device's own affair only while it holds all of it", () => {
    const device = createFakeDevice(arena)
    const tier = tierOf(device)
    const { slabs, dense: router } = openAll(tier)
    const layer = { ...({ topK: 2 } as RoutedLayer), router, slabs, sharedExpert: undefined }
    const holds = (): boolean => tier.holdsLayer!(layer)
    expect(holds()).toBe(false)
    for (const slab of slabs) tier.tier.promote(slab)
    expect(holds()).toBe(true)
    tier.tier.demote(slabs[2]!)
    expect(holds()).toBe(false)
    tier.tier.promote(slabs[2]!)
    device.endHost!()
    expect(() => tier.beginStep!()).toThrow("lost")
    expect(holds()).toBe(false)
    tier.close()
  })

  test("rows are copied where they are", () => {
    const tier = tierOf(createFakeDevice(arena))
    const { x, hidden } = rows
    tier.beginStep!()
    x.values.fill(1)
    hidden.values.fill(2)
    for (const of of [x, hidden]) tier.wrote!(of)
    tier.addScaled(x, hidden, 2)
    tier.copyRows!(hidden, 3, x, 1, 2)
    tier.read!(hidden, NUM_TOKENS)
    tier.endStep!()
    expect([1, 2, 3, 4, 5].map((row) => hidden.values[row * WIDTH]!)).toEqual([2, 2, 3, 1, 2])
    tier.close()
  })
})
