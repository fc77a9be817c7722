import { describe, expect, test } from "bun:test"
import { expectClose, fixturePath, readFixtureJson } from "@consilium/testing"
import fc from "fast-check"
import { createSampler, fitsShortlist, GREEDY, type SamplingParams, SHORTLIST_LENGTH } from "../index.ts"
import { drawUniform } from "./drawUniform.ts"

interface Case {
  readonly params: Readonly<Record<string, number>> & {
    readonly promptIds?: number[]
    readonly generatedIds?: number[]
  }
  readonly logits: number[]
  readonly probabilities: number[]
}

const PLAIN: SamplingParams = { ...GREEDY, temperature: 1 }
const NO_HISTORY = { ids: [], numPrompt: 0 }

describe("createSampler", () => {
  const { cases, vocabulary } = readFixtureJson<{ cases: Case[]; vocabulary: number }>(fixturePath("sampling.json"))

  test.each(cases.map((item) => [JSON.stringify(item.params), item] as const))(
    "%s: the reference's probabilities",
    (_, item) => {
      const p = item.params
      const params: SamplingParams = {
        temperature: p.temperature ?? 1,
        topK: p.top_k ?? 0,
        topP: p.top_p ?? 1,
        minP: p.min_p ?? 0,
        repetitionPenalty: p.repetition_penalty ?? 1,
        presencePenalty: p.presence_penalty ?? 0,
        frequencyPenalty: p.frequency_penalty ?? 0,
        logitBias: [],
      }
      const prompt = p.promptIds ?? []
      const out = new Float64Array(vocabulary)
      createSampler(vocabulary).probabilities(
        out,
        Float32Array.from(item.logits),
        { ids: [...prompt, ...(p.generatedIds ?? [])], numPrompt: prompt.length },
        params,
      )
      expectClose(out, item.probabilities, 1e-6)
    },
  )

  test("from a short list that holds all it depends on: what the whole row gives", () => {
    const length = SHORTLIST_LENGTH
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -60, max: 60 }), { minLength: 100, maxLength: 100 }),
        fc.record({
          temperature: fc.constantFrom(0, 0.3, 1, 4),
          topK: fc.integer({ min: 1, max: 20 }),
          topP: fc.constantFrom(1, 0.9, 0.4),
          minP: fc.constantFrom(0, 0.05),
        }),
        fc.nat(),
        (quarters, settings, seed) => {
          // Ties, but not so many that the list would not hold them.
          const logits = Float32Array.from(quarters, (value, id) => value / 4 + (id % 8) / 64)
          const params = { ...PLAIN, ...settings }
          const ids = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b).slice(0, length)
          const best = { values: Float32Array.from(ids, (id) => logits[id]!), ids: Float32Array.from(ids) }
          fc.pre(best.values.at(-1)! < best.values[settings.topK - 1]!)
          expect(fitsShortlist(params)).toBe(true)
          const draw = { seed, choice: 0, position: 3 }
          const sampler = createSampler(logits.length)
          expect(sampler.sampleBest(best, params, draw)).toBe(sampler.sample(logits, NO_HISTORY, params, draw))
        },
      ),
    )
  })

  test("a short list does not suffice for penalties, nor for more ids than it has", () => {
    const plain = { ...PLAIN, topK: 10 }
    expect(
      [plain, { ...plain, topK: 0 }, { ...plain, topK: SHORTLIST_LENGTH }, { ...plain, presencePenalty: 1 }].map(
        (params) => fitsShortlist(params),
      ),
    ).toEqual([true, false, false, false])
  })

  test("the draw is a pure function of seed, choice and position, and uniform", () => {
    const draws = Array.from({ length: 4000 }, (_, position) => drawUniform({ seed: 7, choice: 0, position }))
    expect(draws).toEqual(Array.from({ length: 4000 }, (_, position) => drawUniform({ seed: 7, choice: 0, position })))
    expect(draws.every((u) => u >= 0 && u < 1)).toBe(true)
    for (let tenth = 0; tenth < 10; tenth++) {
      const share = draws.filter((u) => Math.floor(u * 10) === tenth).length / draws.length
      expect(Math.abs(share - 0.1)).toBeLessThan(0.02)
    }
    const others = [
      { seed: 8, choice: 0, position: 0 },
      { seed: 7, choice: 1, position: 0 },
      { seed: 7 + 2 ** 32, choice: 0, position: 0 },
    ]
    for (const other of others) expect(drawUniform(other)).not.toBe(draws[0]!)
  })

  test("tokens come as often as their probabilities say", () => {
    const sampler = createSampler(3)
    const logits = Float32Array.of(Math.log(0.6), Math.log(0.3), Math.log(0.1))
    const counts = [0, 0, 0]
    for (let position = 0; position < 5000; position++) {
      counts[sampler.sample(logits, NO_HISTORY, PLAIN, { seed: 1, choice: 0, position })]!++
    }
    expectClose(
      counts.map((count) => count / 5000),
      [0.6, 0.3, 0.1],
      0.03,
    )
  })

  test("greedy takes the best, ties to the lower id, and reports the model's own log-probabilities", () => {
    const draw = { seed: 0, choice: 0, position: 0 }
    const logits = Float32Array.of(1, 3, 3, 0)
    const sampler = createSampler(4)
    const id = sampler.sample(logits, NO_HISTORY, GREEDY, draw)
    const { logProb, top } = sampler.describe(logits, id, 2)
    const sum = Math.exp(1) + 2 * Math.exp(3) + 1
    expect(id).toBe(1)
    expect(logProb).toBeCloseTo(3 - Math.log(sum), 6)
    expect(top.map(([other]) => other)).toEqual([1, 2])
  })

  test("a logit bias bans and forces", () => {
    const draw = { seed: 0, choice: 0, position: 0 }
    const sample = (logitBias: SamplingParams["logitBias"]): number =>
      createSampler(3).sample(Float32Array.of(0, 5, 1), NO_HISTORY, { ...GREEDY, logitBias }, draw)
    expect([sample([]), sample([[1, -100]]), sample([[0, 100]])]).toEqual([1, 2, 0])
  })

  test("no temperature is too low, no top-p too small: they end in greedy", () => {
    const logits = Float32Array.of(1, 3, -80, 2.5)
    const out = new Float64Array(4)
    for (const change of [{ temperature: 1e-310 }, { temperature: 1e-9 }, { topP: 0 }, { topP: 1e-12 }, { minP: 1 }]) {
      createSampler(4).probabilities(out, logits, NO_HISTORY, { ...PLAIN, ...change })
      expect([...out], JSON.stringify(change)).toEqual([0, 1, 0, 0])
    }
  })

  test("equal tokens at top-p's border: the lower ids stay", () => {
    const out = new Float64Array(8)
    createSampler(8).probabilities(out, new Float32Array(8), NO_HISTORY, { ...PLAIN, topP: 0.49 })
    expectClose(out, [0.25, 0.25, 0.25, 0.25, 0, 0, 0, 0], 1e-12)
  })

  test("logits that are not finite are a fault, wherever they stand, with any parameters", () => {
    const draw = { seed: 0, choice: 0, position: 0 }
    const size = 2051
    const sampler = createSampler(size)
    for (const params of [GREEDY, PLAIN, { ...PLAIN, topK: 4, presencePenalty: 1 }]) {
      for (const fault of [Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]) {
        for (const id of [0, 1, 1023, 1024, 2048, size - 1]) {
          const logits = new Float32Array(size)
          logits[id] = fault
          expect(() => sampler.sample(logits, NO_HISTORY, params, draw)).toThrow(`not finite: id ${id} has ${fault}`)
        }
      }
    }
  })

  test("greedy finds the best of a large vocabulary, and the first of those that tie", () => {
    const size = 5003
    const sampler = createSampler(size)
    fc.assert(
      fc.property(fc.array(fc.nat({ max: size - 1 }), { minLength: 1, maxLength: 5 }), (places) => {
        const logits = Float32Array.from({ length: size }, (_, id) => ((id * 7919) % 1000) / 1000 - 2)
        for (const id of places) logits[id] = 1.5
        expect(sampler.sample(logits, NO_HISTORY, GREEDY, { seed: 0, choice: 0, position: 0 })).toBe(
          Math.min(...places),
        )
      }),
    )
  })

  test("tokens far below the best one come as often as their probabilities say, too", () => {
    // Each has a ten-millionth of the best one's weight, all together 0.7 %: out of reach, and yet drawn.
    const size = 2 ** 16
    const sampler = createSampler(size)
    const logits = new Float32Array(size).fill(-16.01)
    logits[77] = 0
    const far = Array.from({ length: 6000 }, (_, position) =>
      sampler.sample(logits, NO_HISTORY, PLAIN, { seed: 3, choice: 0, position }),
    ).filter((id) => id !== 77)
    const expected = 6000 * (1 - 1 / (1 + (size - 1) * Math.exp(-16.01)))
    expect(Math.abs(far.length - expected)).toBeLessThan(4 * Math.sqrt(expected))
    expect(new Set(far).size).toBe(far.length)
    expect(far.filter((id) => id < size / 2).length).toBeGreaterThan(far.length / 4)
  })

  test("what a large vocabulary keeps does not depend on how much of it was weighed", () => {
    const size = 4000
    const sampler = createSampler(size)
    const probabilities = new Float64Array(size)
    const paramsArb = fc.record({
      temperature: fc.constantFrom(0.3, 1, 2),
      topK: fc.constantFrom(0, 1, 40, 3000),
      topP: fc.constantFrom(1, 0.999_999_9, 0.9, 0.3),
      minP: fc.constantFrom(0, 1e-9, 0.05),
    })
    fc.assert(
      fc.property(paramsArb, fc.nat(), fc.integer({ min: 1, max: 30 }), (change, seed, spread) => {
        const logits = Float32Array.from(
          { length: size },
          (_, position) => -spread * drawUniform({ seed, choice: 0, position }),
        )
        const params = { ...PLAIN, ...change }
        sampler.probabilities(probabilities, logits, NO_HISTORY, params)
        expect(probabilities.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 9)
        for (let position = 0; position < 20; position++) {
          const id = sampler.sample(logits, NO_HISTORY, params, { seed, choice: 1, position })
          expect(probabilities[id]).toBeGreaterThan(0)
        }
      }),
      { numRuns: 60 },
    )
  })

  test("top-k and top-p agree with sorting everything", () => {
    const logitsArb = fc
      .array(fc.integer({ min: -60, max: 60 }), { minLength: 2, maxLength: 40 })
      .map((all) => all.map((value) => value / 8))
    fc.assert(
      fc.property(
        logitsArb,
        fc.integer({ min: 1, max: 40 }),
        fc.double({ min: 0.05, max: 0.99, noNaN: true }),
        (logits, topK, topP) => {
          const out = new Float64Array(logits.length)
          createSampler(logits.length).probabilities(out, Float32Array.from(logits), NO_HISTORY, {
            ...PLAIN,
            topK,
            topP,
          })
          const values = Array.from(Float32Array.from(logits))
          const threshold = values.toSorted((a, b) => b - a)[Math.min(topK, values.length) - 1]!
          const kept = values
            .map((value, id) => [id, value >= threshold ? Math.exp(value) : 0] as const)
            .toSorted((a, b) => b[1] - a[1] || a[0] - b[0])
          const sum = kept.reduce((total, [, weight]) => total + weight, 0)
          const expected = new Float64Array(values.length)
          let reached = 0
          for (const [id, weight] of kept) {
            // Where a sum meets the bound within rounding, either side is right.
            fc.pre(Math.abs(reached - topP * sum) > 1e-9 * sum)
            if (reached >= topP * sum) break
            expected[id] = weight
            reached += weight
          }
          expectClose(
            out,
            expected.map((weight) => weight / reached),
            1e-9,
          )
        },
      ),
    )
  })
})
