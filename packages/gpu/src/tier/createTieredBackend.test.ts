import { afterAll, beforeEach, describe, expect, test } from "bun:test"
import {
  BACKEND_CASES,
  type Backend,
  checkCase,
  composeBackends,
  createArena,
  createReferenceBackend,
  createX64Backend,
  type ExpertRows,
  type Format,
  packExpertSlab,
  packMatrixSlab,
  planExpertSlab,
  planMatrixSlab,
  bestIsa,
  type RoutedLayer,
  runnableIsas,
  type Slab,
  StateLostError,
} from "@consilium/kernels"
import { noise } from "@consilium/tensor"
import { createFakeDevice, type FakeDevice } from "../../test/createFakeDevice.ts"
import { createTieredBackend, type TieredBackend } from "../index.ts"

const arena = createArena()
const reference = createReferenceBackend(arena)
afterAll(() => arena.close())

const WIDTH = 64
const NUM_EXPERTS = 4
const NUM_TOKENS = 6
const TOP_K = 2
const clock = { ms: 0 }
let problem: string | undefined
let changes: string[] = []
let budgetBytes = Number.POSITIVE_INFINITY
beforeEach(() => {
  clock.ms = 0
  problem = undefined
  changes = []
  budgetBytes = Number.POSITIVE_INFINITY
})

const tierOf = (device: FakeDevice, home: Backend = createReferenceBackend(arena)): TieredBackend =>
  createTieredBackend(device, home, {
    budgetBytes,
    nowMs: () => clock.ms,
    probe: () => problem,
    onChange: (detail) => changes.push(detail),
  })

/** Homes with and without experts that run together. */
const homes = (): [string, () => Backend][] => [
  ["reference", () => createReferenceBackend(arena)],
  ...(runnableIsas().length > 0
    ? [
        [
          "x64",
          () => composeBackends(arena, [createX64Backend(arena, { isa: bestIsa(), numThreads: 1 }), reference]),
        ] as [string, () => Backend],
      ]
    : []),
]

const expertLayout = (format: Format) =>
  planExpertSlab({
    hiddenSize: WIDTH,
    intermediateSize: 32,
    activation: "silu",
    hasGateProj: true,
    hasBias: false,
    format,
  })
const spans = Array.from({ length: NUM_EXPERTS }, (_, e) => {
  const layout = expertLayout("f32")
  const span = arena.allocate(layout.bytes)
  const [gateProj, upProj, downProj] = [1, 2, 3].map((i) => noise(WIDTH * 32, 10 * e + i, 0.1))
  packExpertSlab(arena.bytes(span), layout, { gateProj: gateProj!, upProj: upProj!, downProj: downProj! })
  return { span, layout }
})
const matrix = planMatrixSlab({ format: "f32", numRows: WIDTH, numColumns: WIDTH, hasBias: false })
const matrixSpan = arena.allocate(matrix.bytes)
packMatrixSlab(arena.bytes(matrixSpan), matrix, noise(WIDTH * WIDTH, 77, 0.1))

/** Each token goes to two experts that follow one another. */
const plan: ExpertRows = (() => {
  const ids = Array.from({ length: NUM_TOKENS * TOP_K }, (_, a) => (Math.floor(a / TOP_K) + (a % TOP_K)) % NUM_EXPERTS)
  const order = Int32Array.from([...ids.keys()].sort((a, b) => ids[a]! - ids[b]! || a - b))
  const rows = Int32Array.from(ids, (_, a) => order.indexOf(a))
  const offsets = Int32Array.from({ length: NUM_EXPERTS + 1 }, (_, e) => ids.filter((id) => id < e).length)
  return { numTokens: NUM_TOKENS, topK: TOP_K, order, offsets, rows, weights: noise(ids.length, 5, 1) }
})()

const rows = {
  x: arena.rows(NUM_TOKENS, WIDTH),
  hidden: arena.rows(NUM_TOKENS, WIDTH),
  outputs: arena.rows(NUM_TOKENS * TOP_K, WIDTH),
  out: arena.rows(NUM_TOKENS, WIDTH),
}

/** A step in small: a norm, a product, a layer of experts in the turns given, a residual. Returns what it makes of the same input. */
function runStep(
  backend: Backend,
  dense: Slab,
  slabs: readonly Slab[],
  turns: readonly (readonly number[])[],
): Float32Array {
  const { x, hidden, outputs, out } = rows
  backend.beginStep?.()
  x.values.set(noise(NUM_TOKENS * WIDTH, 3, 1))
  for (const of of [x, outputs, out]) backend.wrote?.(of)
  backend.norm(hidden, x, NUM_TOKENS, noise(WIDTH, 4, 1), 1e-5)
  backend.matmul(x, hidden, NUM_TOKENS, dense)
  for (const turn of turns) {
    const ready = slabs.map((slab, e) => (turn.includes(e) ? slab : undefined))
    if (backend.experts !== undefined) backend.experts(outputs, x, plan, ready)
  }
  backend.combine!(out, outputs, plan)
  backend.addScaled(out, hidden, NUM_TOKENS)
  backend.read?.(out, NUM_TOKENS)
  backend.sync?.()
  const found = out.values.slice()
  backend.endStep?.()
  return found
}

const ALL = [[0, 1, 2, 3]]
const openAll = (tier: TieredBackend): { dense: Slab; slabs: Slab[] } => ({
  slabs: spans.map(({ span, layout }) => tier.openAtHome(span, layout)),
  dense: tier.openSlab(matrixSpan, matrix),
})
/** What a device that holds all makes of it, without a tier. */
const expected = ((): Float32Array => {
  const alone = createFakeDevice(arena, { keepsRows: false })
  const slabs = spans.map(({ span, layout }) => alone.openSlab(span, layout))
  return runStep(alone, alone.openSlab(matrixSpan, matrix), slabs, ALL)
})()
const expectClose = (found: Float32Array): void => {
  for (const [i, value] of expected.entries()) expect(Math.abs(found[i]! - value), `at ${i}`).toBeLessThan(1e-4)
}

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
      clock.ms = 0
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
      clock.ms += 1000
      expect(tier.tier.tend()).toBe(Number.POSITIVE_INFINITY)
      expect(tier.tier.state).toBe("in-use")
      expect(tier.tier.holds(dense)).toBe(true)
      expectClose(runStep(tier, dense, slabs, ALL))
      expect(device.calls).toContain("matmul")
      tier.close()
    }
    expect(changes.slice(0, 2)).toEqual([
      expect.stringMatching(/^fake is lost, what it held computes at home: /),
      "fake is back",
    ])
  })

  test("a probe that fails puts the next one off twice as long", () => {
    const tier = tierOf(createFakeDevice(arena, { keepsRows }))
    const { dense, slabs } = openAll(tier)
    tier.endHost!()
    expect(() => runStep(tier, dense, slabs, ALL)).toThrow("lost")
    problem = "wrong answers"
    const waits = [1, 2, 3].map(() => {
      const waitMs = tier.tier.tend()
      clock.ms += waitMs
      return waitMs
    })
    expect(waits[1]! / waits[0]!).toBeGreaterThan(1.5)
    expect(waits[2]! / waits[1]!).toBeGreaterThan(1.5)
    expect(tier.tier.breaker).toMatchObject({ state: "open", why: "wrong answers" })
    tier.close()
  })
})

describe("createTieredBackend", () => {
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

  test("within the budget, whatever is asked; what is closed or demoted gives its place back", () => {
    const bytes = spans[0]!.layout.bytes
    budgetBytes = 2 * bytes + matrix.bytes + 100
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
    budgetBytes = 2 * bytes + matrix.bytes
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
    clock.ms += 1000
    for (let turn = 0; turn < 2; turn++) {
      tier.tier.tend()
      clock.ms += 1000
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
    clock.ms += 1000
    of.tend()
    expect(of.state).toBe("in-use")
    expect(slabs.map((slab) => of.promote(slab))).toEqual([true, false, false, false])
    expect(of.state).toBe("in-use")
    expectClose(runStep(tier, dense, slabs, ALL))
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
    clock.ms += 1000
    tier.tier.tend()
    tier.beginStep!()
    tier.attend(out, qkv, [slot], layer)
    device.failNext("sync")
    expect(() => tier.sync!()).toThrow(StateLostError)
    expectClose(runStep(tier, dense, slabs, ALL))
    tier.close()
    for (const { span } of [qkv, out, keys, values]) arena.free(span)
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
    tier.endStep!()
    expect([1, 2, 3, 4, 5].map((row) => hidden.values[row * WIDTH]!)).toEqual([2, 2, 3, 1, 2])
    tier.close()
  })
})
