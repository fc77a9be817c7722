import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { planTiers, type Tier, type TierCost, type TierLayer, type TierMove } from "./index.ts"

const HOME: Tier = { places: Number.POSITIVE_INFINITY, msPerToken: 1 }
const fast = (places: number, times = 8): Tier => ({ places, msPerToken: 1 / times })
const FREE: TierCost = { msPerPromotion: 0, numSteps: 1, maxMoves: Number.POSITIVE_INFINITY }

const atHome = (...loads: readonly (readonly number[])[]): TierLayer[] =>
  loads.map((load) => ({ load, isOnDevice: load.map(() => 0) }))
function applyMoves(layers: readonly TierLayer[], moves: readonly TierMove[]): TierLayer[] {
  const on = layers.map(({ isOnDevice }) => Uint8Array.from(isOnDevice))
  for (const { layer, expertId, to } of moves) on[layer]![expertId] = to === "device" ? 1 : 0
  return layers.map((layer, l) => ({ ...layer, isOnDevice: on[l]! }))
}
const onDevice = (layers: readonly TierLayer[]): number[][] =>
  layers.map(({ isOnDevice }) => [...Array.from(isOnDevice).keys()].filter((e) => isOnDevice[e] === 1))
const stepMs = (layers: readonly TierLayer[], device: Tier): number =>
  layers.reduce((sum, { load, isOnDevice }) => {
    const of = (is: number): number =>
      Array.from(load).reduce((all, one, e) => all + (isOnDevice[e] === is ? one : 0), 0)
    return sum + Math.max(of(1) * device.msPerToken, of(0) * HOME.msPerToken)
  }, 0)

describe("planTiers", () => {
  test("the hottest experts of all layers go to the device, as it has room", () => {
    const layers = atHome([1, 9, 2, 7], [3, 1, 8, 1])
    expect(onDevice(applyMoves(layers, planTiers(layers, fast(3), HOME, FREE)))).toEqual([[1, 3], [2]])
  })

  test("without measured load each layer gets the same number", () => {
    const even = Array.from({ length: 16 }, () => 1)
    const layers = atHome(even, even, even)
    const counts = onDevice(applyMoves(layers, planTiers(layers, fast(12, 100), HOME, FREE))).map((of) => of.length)
    expect(counts).toEqual([4, 4, 4])
  })

  test("a device that is little faster leaves its share to home, though it had room", () => {
    const layers = atHome(Array.from({ length: 16 }, () => 1))
    const moved = applyMoves(layers, planTiers(layers, fast(15, 1), HOME, FREE))
    expect(onDevice(moved)[0]!.length).toBe(8)
  })

  test("where all fit all go there, the busiest first", () => {
    const layers = atHome([1, 5, 0], [7, 0, 2])
    const moves = planTiers(layers, fast(6, 1), HOME, { ...FREE, maxMoves: 3 })
    expect(moves).toEqual([
      { layer: 1, expertId: 0, to: "device" },
      { layer: 0, expertId: 1, to: "device" },
      { layer: 1, expertId: 2, to: "device" },
    ])
  })

  test("when the load turns, a full device exchanges the cold for the hot, demotions first, a few at a time", () => {
    const layers = atHome([9, 9, 1, 1], [5, 5, 5, 5])
    const full = applyMoves(layers, planTiers(layers, fast(4), HOME, FREE))
    const turned = full.map((layer, l) => (l === 0 ? { ...layer, load: [1, 1, 9, 9] } : layer))
    const moves = planTiers(turned, fast(4), HOME, { ...FREE, maxMoves: 2 })
    expect(moves.map(({ to }) => to)).toEqual(["home", "device"])
    expect([2, 3]).toContain(moves[1]!.expertId)
    expect(moves[1]!.layer).toBe(0)
  })

  test("a device gives experts up for nothing where it is far slower than home, not where it is a little", () => {
    const even = Array.from({ length: 10 }, () => 1)
    const isOnDevice = even.map((_, e) => (e < 6 ? 1 : 0))
    const layer = [{ load: even, isOnDevice }]
    expect(planTiers(layer, fast(9, 1), HOME, FREE)).toEqual([{ layer: 0, expertId: 0, to: "home" }])
    expect(planTiers(layer, fast(9, 1.3), HOME, FREE)).toEqual([])
    // Nor for a cold one, that it would not feel.
    const hot = [{ load: [1000, 1, 1, 1], isOnDevice: [1, 1, 1, 0] }]
    expect(planTiers(hot, fast(3, 1), HOME, FREE)).toEqual([])
  })

  test("experts of nearly the same load do not change places", () => {
    const layer = [{ load: [100, 95, 1], isOnDevice: [0, 1, 0] }]
    expect(planTiers(layer, fast(1), HOME, FREE)).toEqual([])
    const two = [
      { load: [100, 1], isOnDevice: [0, 0] },
      { load: [95, 1], isOnDevice: [1, 0] },
    ]
    expect(planTiers(two, fast(1), HOME, FREE)).toEqual([])
  })

  test("nothing moves where the saving does not pay for the upload, and nobody who may not", () => {
    const layers = atHome([1, 9, 2, 7])
    const dear = { msPerPromotion: 100, numSteps: 10, maxMoves: 4 }
    expect(planTiers(layers, fast(2), HOME, dear)).toEqual([])
    expect(planTiers(layers, fast(2), HOME, { ...dear, numSteps: 100 }).length).toBe(2)
    const pinned = layers.map((layer) => ({ ...layer, mayMove: [1, 0, 1, 1] }))
    expect(planTiers(pinned, fast(1), HOME, FREE).map(({ expertId }) => expertId)).toEqual([3])
  })

  test("a few at a time it ends, never past the room, each batch faster than the one before", () => {
    const loads = fc.array(fc.array(fc.nat(100), { minLength: 6, maxLength: 6 }), { minLength: 3, maxLength: 3 })
    fc.assert(
      fc.property(
        loads,
        loads,
        fc.integer({ min: 0, max: 17 }),
        fc.integer({ min: 1, max: 20 }),
        (a, b, places, times) => {
          const device = fast(places, times)
          let layers = applyMoves(atHome(...a), planTiers(atHome(...a), device, HOME, FREE))
          layers = layers.map((layer, l) => ({ ...layer, load: b[l]! }))
          for (let batch = 0; ; batch++) {
            expect(batch).toBeLessThan(100)
            const before = stepMs(layers, device)
            const moves = planTiers(layers, device, HOME, { ...FREE, maxMoves: 2 })
            if (moves.length === 0) break
            layers = applyMoves(layers, moves)
            expect(onDevice(layers).flat().length).toBeLessThanOrEqual(places)
            expect(stepMs(layers, device)).toBeLessThan(before)
          }
        },
      ),
    )
  })
})
