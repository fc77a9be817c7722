/** A real model: the variants that ../shared/models/smollm2-135m/make.ts writes, against transformers. */
import { describe, expect, test } from "bun:test"
import type { Format } from "@consilium/kernels"
import { computeLogits, createTransformer, type DenseFormat, type PreparedModel } from "../src/index.ts"
import { generateGreedy } from "./generateGreedy.ts"
import { BACKENDS, withBackend, withPrepared } from "./openForTest.ts"
import { compareGreedy, readExpected, smollm2Dir, STOP_ID, withVariant } from "./smollm2Variants.ts"

/** Rounding of activations moves the perplexity of one text of 309 tokens by 2 % either way; the mean of some says what the weights' rounding costs. */
const NUM_TEXTS = 6

const FAST_BACKENDS = BACKENDS.filter((name) => name !== "reference")
const FASTEST = FAST_BACKENDS.at(-1)!

describe.skipIf(smollm2Dir === undefined)("SmolLM2-135M", () => {
  const expected = readExpected()

  /** Perplexities of the text, and of what is left without its first tokens, 1 to `NUM_TEXTS - 1` of them. */
  const perplexities = (prepared: PreparedModel): number[] =>
    withBackend(FASTEST, (backend) => {
      const texts = Array.from({ length: NUM_TEXTS }, (_, first) => expected.perplexity.ids.slice(first))
      const tensors = computeLogits(prepared, backend, texts)
      return texts.map((ids, i) => {
        const { values, shape } = tensors.find(({ name }) => name === `p${i}.logits`)!
        const width = shape[1]!
        let sum = 0
        for (let t = 0; t + 1 < ids.length; t++) {
          const row = (values as Float32Array).subarray(t * width, (t + 1) * width)
          const largest = row.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY)
          let total = 0
          for (let v = 0; v < width; v++) total += Math.exp(row[v]! - largest)
          sum += row[ids[t + 1]!]! - largest - Math.log(total)
        }
        return Math.exp(-sum / (ids.length - 1))
      })
    })

  for (const [variant, name] of ["dense", "carved", "shared"].flatMap((variant) =>
    FAST_BACKENDS.map((name) => [variant, name] as const),
  )) {
    test(
      `${variant}, ${name}: f32 greedy text is the reference's`,
      () =>
        withVariant(variant, (dir) =>
          withPrepared(dir, "f32", (prepared) =>
            withBackend(name, (backend) => {
              const transformer = createTransformer({ prepared, backend, numSlots: 1, capacity: 720, maxRows: 648 })
              for (const [prompt, { ids }] of Object.entries(expected.prompts)) {
                const numIds = expected.greedy[variant]![prompt]!.ids.length
                compareGreedy(variant, prompt, generateGreedy(transformer, ids, { numIds, stopIds: [STOP_ID] }).ids)
              }
              transformer.close()
            }),
          ),
        ),
      300_000,
    )
  }

  test(
    "carved: the reference backend agrees on a short answer",
    () =>
      withVariant("carved", (dir) =>
        withPrepared(dir, "f32", (prepared) =>
          withBackend("reference", (backend) => {
            const transformer = createTransformer({ prepared, backend, numSlots: 1, capacity: 64, maxRows: 64 })
            const golden = expected.greedy.carved!.capital!.ids
            const { ids } = generateGreedy(transformer, expected.prompts.capital!.ids, { numIds: golden.length })
            compareGreedy("carved", "capital", ids)
            transformer.close()
          }),
        ),
      ),
    300_000,
  )

  for (const variant of ["dense", "drifted"]) {
    test(
      `${variant}: int8 is within 2 %, int4 within 6 %, int4 everywhere within 15 % of f32's perplexity, on average`,
      () =>
        withVariant(variant, async (dir) => {
          const of = (format: Format, dense?: DenseFormat): Promise<number[]> =>
            withPrepared(dir, format, perplexities, dense)
          const [f32, int8, int4] = [await of("f32"), await of("int8"), await of("int4")]
          const everywhere = await of("int4", "int4")
          const rise = (values: number[]): number =>
            values.reduce((sum, value, i) => sum + value / f32[i]! - 1, 0) / NUM_TEXTS
          const percent = (value: number): string => `${(value * 100).toFixed(2)} %`
          console.log(
            `${variant} perplexity: f32 ${f32[0]!.toFixed(3)}, int8 ${percent(rise(int8))}, int4 ${percent(rise(int4))}, everywhere ${percent(rise(everywhere))}`,
          )
          expect(Math.abs(f32[0]! / expected.perplexity.variants[variant]!.perplexity - 1)).toBeLessThan(1e-3)
          expect(rise(int8)).toBeLessThan(0.02)
          expect(rise(int4)).toBeLessThan(0.06)
          expect(rise(everywhere)).toBeLessThan(0.15)
        }),
      600_000,
    )
  }
})
