/** Every public checkpoint of a family we read, on every backend, against transformers. Drop another into the directory and it is tested too. */
import { describe, expect, test } from "bun:test"
import { expectClose, fixturePath, readFixtureJson, readFixtureTensors, sharedPath } from "@consilium/testing"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { computeLogits, createTransformer, FAMILIES, type NamedTensor, type PreparedModel } from "../src/index.ts"
import { generateGreedy } from "./generateGreedy.ts"
import { BACKENDS, withBackend, withPrepared } from "./openForTest.ts"

interface Expected {
  readonly prompts: readonly {
    readonly ids: number[]
    readonly greedy: number[]
    readonly minRouterOrderMargin?: number
  }[]
}

const roots = [fixturePath("checkpoints"), sharedPath("fixtures/checkpoints")].filter((root) => root !== undefined)
const known = new Set(FAMILIES.flatMap(({ modelTypes }) => modelTypes))
const seen = new Set<string>()
const directories = roots.flatMap((root) =>
  readdirSync(root).flatMap((name) => {
    const dir = join(root, name)
    if (seen.has(name) || !existsSync(join(dir, "expected.json"))) return []
    seen.add(name)
    const { model_type } = readFixtureJson<{ model_type: string }>(join(dir, "config.json"))
    if (known.has(model_type)) return [{ name, dir }]
    console.log(`skipped: ${name} is a ${model_type}, no family reads it yet`)
    return []
  }),
)

/** Compares with a golden tensor; logits by the larger of 1e-3 and 1e-4 of the largest. */
function compare(
  tensors: readonly NamedTensor[],
  expected: ReturnType<typeof readFixtureTensors>,
  orderMargin: number[],
): void {
  for (const { name, shape, values } of tensors) {
    const golden = expected.get(name)
    expect(golden, `golden ${name}`).toBeDefined()
    expect(shape, `${name} shape`).toEqual([...golden!.shape])
    const prompt = Number(/^p(\d+)/.exec(name)![1])
    // Where the order within the k is a near-tie, ids and weights are compared as sets.
    const isOrdered = (orderMargin[prompt] ?? 1) > 1e-5
    if (name.endsWith("expert_ids"))
      expect(isOrdered ? [...values] : sorted(values, shape[1]!), name).toEqual(
        isOrdered ? [...golden!.values] : sorted(golden!.values, shape[1]!),
      )
    else if (name.endsWith("expert_weights"))
      expectClose(
        isOrdered ? values : sorted(values, shape[1]!),
        isOrdered ? golden!.values : sorted(golden!.values, shape[1]!),
        1e-4,
        { name },
      )
    else {
      const largest = Array.from(golden!.values).reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      expectClose(values, golden!.values, Math.max(1e-3, 1e-4 * largest), { name })
    }
  }
}

const sorted = (values: ArrayLike<number>, k: number): number[] =>
  Array.from({ length: values.length / k }, (_, t) =>
    Array.from(values)
      .slice(t * k, (t + 1) * k)
      .sort((a, b) => a - b),
  ).flat()

describe.each(directories)("$name", ({ dir }) => {
  const { prompts } = readFixtureJson<Expected>(join(dir, "expected.json"))
  const expected = readFixtureTensors(join(dir, "expected.safetensors"))
  const orderMargin = prompts.map(({ minRouterOrderMargin }) => minRouterOrderMargin ?? 1)
  const ids = prompts.map((prompt) => prompt.ids)

  for (const name of BACKENDS) {
    const run = (body: (prepared: PreparedModel, logitsOf: (chunkRows?: number) => NamedTensor[]) => void) =>
      withPrepared(dir, "f32", (prepared) =>
        withBackend(name, (backend) => body(prepared, (chunkRows) => computeLogits(prepared, backend, ids, chunkRows))),
      )

    test(`${name}: f32 logits, hidden states and routing are the reference's`, () =>
      run((_, logitsOf) => {
        const tensors = logitsOf()
        expect(tensors.map((tensor) => tensor.name).sort()).toEqual([...expected.keys()].sort())
        compare(tensors, expected, orderMargin)
      }))

    test(`${name}: prefill in chunks and token by token agree with it in one piece`, () =>
      run((_, logitsOf) => {
        for (const chunkRows of [1, 3, 16]) compare(logitsOf(chunkRows), expected, orderMargin)
      }))

    test(`${name}: greedy decoding gives the reference's ids`, () =>
      withPrepared(dir, "f32", (prepared) =>
        withBackend(name, (backend) => {
          const transformer = createTransformer({ prepared, backend, numSlots: 1, capacity: 80, maxRows: 64 })
          for (const prompt of prompts) {
            expect(generateGreedy(transformer, prompt.ids, { numIds: prompt.greedy.length }).ids).toEqual(prompt.greedy)
          }
          transformer.close()
        }),
      ))
  }
})
