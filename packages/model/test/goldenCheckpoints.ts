import { expect } from "bun:test"
import { expectClose, fixturePath, readFixtureJson, readFixtureTensors, sharedPath } from "@consilium/testing"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { FAMILIES, type NamedTensor } from "../src/index.ts"

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
/** Checkpoints of families that we read: the repository's, and those of the shared folder where it is there. */
export const checkpoints = roots.flatMap((root) =>
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

/** What transformers made of a checkpoint's prompts. */
export interface Golden {
  readonly prompts: Expected["prompts"]
  readonly tensors: ReturnType<typeof readFixtureTensors>
}

export function readGolden(dir: string): Golden {
  const { prompts } = readFixtureJson<Expected>(join(dir, "expected.json"))
  return { prompts, tensors: readFixtureTensors(join(dir, "expected.safetensors")) }
}

/** Compares with golden tensors; logits by the larger of 1e-3 and 1e-4 of the largest. */
export function compareToGolden(found: readonly NamedTensor[], { prompts, tensors }: Golden): void {
  for (const { name, shape, values } of found) {
    const golden = tensors.get(name)
    expect(golden, `golden ${name}`).toBeDefined()
    expect(shape, `${name} shape`).toEqual([...golden!.shape])
    const prompt = Number(/^p(\d+)/.exec(name)![1])
    // Where the order within the k is a near-tie, ids and weights are compared as sets.
    const isOrdered = (prompts[prompt]!.minRouterOrderMargin ?? 1) > 1e-5
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
