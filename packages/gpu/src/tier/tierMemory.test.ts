import { beforeEach, describe, expect, test } from "bun:test"
import { noise } from "@consilium/tensor"
import { createFakeDevice, type FakeDevice } from "../../test/createFakeDevice.ts"
import {
  ALL,
  NUM_TOKENS,
  WIDTH,
  arena,
  beginTest,
  expectClose,
  given,
  matrix,
  openAll,
  rows,
  runStep,
  spans,
  tierOf,
} from "../../test/tierFixture.ts"

beforeEach(beginTest)

describe("createTieredBackend: a device's memory", () => {
  test("within the budget, whatever is asked; what is closed or demoted gives its place back", () => {
    const bytes = spans[0]!.layout.bytes
    given.budgetBytes = 2 * bytes + matrix.bytes + 100
    const device = createFakeDevice(arena)
    const tier = tierOf(device)
    const { slabs } = openAll(tier)
    const { tier: of } = tier
    expect(of.roomFor(bytes)).toBe(2)
    expect(slabs.map((slab) => of.promote(slab))).toEqual([true, true, false, false])
    expect(of.usedBytes).toBe(2 * bytes + matrix.bytes)
    of.demote(slabs[0]!)
    expect(of.promote(slabs[3]!)).toBe(true)
    tier.closeSlab(slabs[1]!)
    expect([of.holds(slabs[0]!), of.holds(slabs[3]!), of.roomFor(bytes)]).toEqual([false, true, 1])
    of.reserve(100)
    expect(of.roomFor(bytes)).toBe(1)
    of.reserve(1)
    expect(of.roomFor(bytes)).toBe(0)
    tier.close()
  })

  test("free places in a device's buffers count as held, and are taken before more memory", () => {
    const bytes = spans[0]!.layout.bytes
    given.budgetBytes = 2 * bytes + matrix.bytes
    const device = createFakeDevice(arena)
    let numFreePlaces = 0
    const memory = (): number => device.deviceMemory().bytes + numFreePlaces * bytes
    const tier = tierOf({
      ...device,
      deviceMemory: () => ({ numBuffers: 0, slabBytes: memory(), bytes: memory() }),
      numFreePlaces: (slabBytes) => (slabBytes === bytes ? numFreePlaces : 0),
    })
    const { slabs } = openAll(tier)
    expect(tier.tier.roomFor(bytes)).toBe(2)
    numFreePlaces = 1
    expect([tier.tier.roomFor(bytes), tier.tier.roomFor(bytes / 2)]).toEqual([2, 2])
    numFreePlaces = 2
    expect([tier.tier.roomFor(bytes), tier.tier.roomFor(bytes / 2)]).toEqual([2, 0])
    expect(tier.tier.promote(slabs[0]!)).toBe(true)
    tier.close()
  })

  test("a device that has no memory for a step is asked to hold less from then on", () => {
    const device = createFakeDevice(arena)
    let isFull = false
    const full: FakeDevice = {
      ...device,
      matmul(...all) {
        if (isFull) throw new Error("fake: Out of memory")
        device.matmul(...all)
      },
    }
    const tier = tierOf(full)
    const { dense, slabs } = openAll(tier)
    const promoteAll = () => slabs.map((slab) => tier.tier.promote(slab))
    expect(promoteAll()).toEqual([true, true, true, true])
    isFull = true
    expect(() => runStep(tier, dense, slabs, ALL)).toThrow("memory")
    isFull = false
    given.ms += 1000
    for (let turn = 0; turn < 2; turn++) {
      tier.tier.tend()
      given.ms += 1000
    }
    expect(tier.tier.state).toBe("in-use")
    expect(promoteAll()).toEqual([true, true, true, false])
    tier.close()
  })

  test("a device that is lost while a step closes a slab is a fault of that step: its rows are gone", () => {
    const device = createFakeDevice(arena)
    const tier = tierOf(device)
    const { dense, slabs } = openAll(tier)
    tier.tier.promote(slabs[0]!)
    tier.beginStep!()
    tier.norm(rows.hidden, rows.x, NUM_TOKENS, noise(WIDTH, 4, 1), 1e-5)
    device.endHost!()
    tier.closeSlab(slabs[0]!)
    expect(() => tier.matmul(rows.x, rows.hidden, NUM_TOKENS, dense)).toThrow("is lost")
    tier.close()
  })

  test("a device that refuses more memory is asked for less from then on, and computes again", () => {
    const bytes = spans[0]!.layout.bytes
    const device = createFakeDevice(arena)
    device.limit(2.5 * bytes + matrix.bytes)
    const tier = tierOf(device)
    const { dense, slabs } = openAll(tier)
    const { tier: of } = tier
    expect(slabs.map((slab) => of.promote(slab))).toEqual([true, true, false, false])
    expect(of.state).toBe("away")
    given.ms += 1000
    of.tend()
    expect(of.state).toBe("in-use")
    expect(slabs.map((slab) => of.promote(slab))).toEqual([true, false, false, false])
    expect(of.state).toBe("in-use")
    expectClose(runStep(tier, dense, slabs, ALL))
    tier.close()
  })
})
