/** What a layer refuses, and that a refusal leaves nothing behind. */
import { describe, expect, test } from "bun:test"
import { createRouting } from "@consilium/gating"
import { createArena, createReferenceBackend, type ExpertTensors } from "@consilium/kernels"
import { noise } from "@consilium/tensor"
import { createMoeLayer, type CreateMoeLayerOptions, moeLayer } from "../src/index.ts"
import { CASES } from "./cases.ts"
import { openMoeCase, withBackend } from "./openMoeCase.ts"

type ArenaOptions = Parameters<typeof createArena>[0]

const [H, I] = [12, 20]
const expertOf = (seed: number): ExpertTensors => ({
  upProj: noise(I * H, seed, 1),
  downProj: noise(H * I, seed + 1, 1),
})

function optionsOf(arenaOptions: ArenaOptions = {}): CreateMoeLayerOptions {
  return {
    backend: createReferenceBackend(createArena(arenaOptions)),
    hiddenSize: H,
    expertIntermediateSize: I,
    topK: 2,
    activation: "relu",
    router: { kind: "linear", weight: noise(3 * H, 9, 1) },
    experts: [expertOf(1), expertOf(2), expertOf(3)],
  }
}

/** Returns why a layer was refused, having seen that it holds no memory. */
function refusal(change: Partial<CreateMoeLayerOptions>, arenaOptions?: ArenaOptions): string {
  const options = { ...optionsOf(arenaOptions), ...change }
  let caught: unknown
  try {
    createMoeLayer(options)
  } catch (error) {
    caught = error
  }
  expect(caught).toBeInstanceOf(Error)
  expect(options.backend.arena.usedBytes).toBe(0)
  return `${(caught as Error).name}: ${(caught as Error).message}`
}

describe("createMoeLayer", () => {
  test("a wrong expert is named, and those before it give their memory back", () => {
    const experts = [expertOf(1), expertOf(2), { ...expertOf(3), upProj: new Float32Array(3) }]
    expect(refusal({ experts })).toBe("MoeSettingsError: experts[2] of 20 × 12: expected 20 × 12 weights, found 3")
  })

  test("an activation that needs a gate projection is not without one", () => {
    expect(refusal({ activation: { kind: "clamped-silu", limit: 7 } })).toBe(
      "MoeSettingsError: experts[0] of 20 × 12: clamped-silu: expected a gate projection, found none",
    )
  })

  test("sizes that cannot be are settings errors too", () => {
    expect(refusal({ expertIntermediateSize: 0 })).toBe(
      "MoeSettingsError: experts[0] of 0 × 12: slab layout: expected positive sizes, found 0 rows, 12 columns",
    )
    for (const maxTokens of [0, 1.5, Number.NaN]) {
      expect(refusal({ maxTokens })).toBe(
        `MoeSettingsError: maxTokens: expected a whole number of at least 1, found ${maxTokens}: the most tokens of one call`,
      )
    }
  })

  test("task embeddings as wide as the router's inner layer, or none", () => {
    const router = {
      kind: "mlp",
      hiddenWeight: noise(4 * H, 1, 1),
      hiddenBias: noise(4, 2, 1),
      taskEmbedding: noise(6, 3, 1),
      outputWeight: noise(3 * 4, 4, 1),
      outputBias: noise(3, 5, 1),
    } as const
    expect(refusal({ router })).toBe(
      "MoeSettingsError: router.taskEmbedding [tasks, R]: expected a multiple of 4 values, found 6",
    )
  })

  test("a full arena is said in its own words, at every allocation, and nothing is kept", () => {
    const options = optionsOf()
    createMoeLayer({ ...options, maxTokens: 100 })
    const needed = options.backend.arena.usedBytes
    for (let limitBytes = 64; limitBytes < needed; limitBytes += 2048) {
      expect(refusal({ maxTokens: 100 }, { limitBytes })).toContain("raise the memory setting")
    }
  })

  test("closing twice is closing once", () => {
    const options = optionsOf()
    const layer = createMoeLayer(options)
    layer.close()
    layer.close()
    expect(options.backend.arena.usedBytes).toBe(0)
    expect(() => layer.run(new Float32Array(H))).toThrow("this layer is closed")
  })

  test("hidden states of another width, or too many, are refused", () => {
    const layer = createMoeLayer({ ...optionsOf(), maxTokens: 2 })
    for (const length of [H - 1, 3 * H]) {
      expect(() => layer.run(new Float32Array(length))).toThrow(`expected at most 2 rows of 12, found ${length} values`)
    }
  })
})

describe("moeLayer", () => {
  const given = CASES.find(({ name }) => name === "odd sizes")!

  test("a routing of another batch is refused: rows that it does not name would keep old values", () =>
    withBackend("reference", (backend) => {
      const { out, hidden, layer, scratch } = openMoeCase(given, backend)
      for (const [numTokens, topK] of [
        [12, 3],
        [13, 2],
      ] as const) {
        const routing = createRouting(numTokens, topK)
        routing.numTokens = numTokens
        expect(() => moeLayer(out, hidden, 13, layer, scratch, { routing })).toThrow(
          `expected a routing of 13 tokens to 3 experts each, found ${numTokens} to ${topK}`,
        )
      }
    }))

  test("more tokens than the scratch was made for are refused", () =>
    withBackend("reference", (backend) => {
      const { layer, scratch } = openMoeCase(given, backend)
      const [hidden, out] = [backend.arena.rows(14, 37), backend.arena.rows(14, 37)]
      expect(() => moeLayer(out, hidden, 14, layer, scratch)).toThrow("14 tokens")
      const routing = createRouting(14, 3)
      routing.numTokens = 14
      expect(() => moeLayer(out, hidden, 14, layer, scratch, { routing })).toThrow("42 assignments exceed a plan of 39")
    }))

  test("an expert id that the layer does not have is refused", () =>
    withBackend("reference", (backend) => {
      const { out, hidden, layer, scratch } = openMoeCase(given, backend)
      const routing = createRouting(13, 3)
      routing.numTokens = 13
      routing.expertIds[4] = 7
      expect(() => moeLayer(out, hidden, 13, layer, scratch, { routing })).toThrow("assignment 4 goes to expert 7 of 7")
    }))
})
