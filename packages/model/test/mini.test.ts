/** The embedded model gives the texts that its card promises. */
import { describe, expect, test } from "bun:test"
import { miniModelDir, readFixtureJson } from "@consilium/testing"
import { join } from "node:path"
import { createTransformer } from "../src/index.ts"
import { generateGreedy } from "./generateGreedy.ts"
import { BACKENDS, withBackend, withPrepared } from "./openForTest.ts"

interface Conversation {
  readonly name: string
  readonly prompt_ids: number[]
  readonly output_ids: number[]
}

describe("consilium-mini", () => {
  const { conversations } = readFixtureJson<{ conversations: Conversation[] }>(join(miniModelDir(), "expected.json"))

  for (const name of BACKENDS) {
    // Plain loops take their time: the reference runs the short ones.
    const chosen =
      name === "reference" ? conversations.filter(({ prompt_ids }) => prompt_ids.length < 40) : conversations
    test(
      `${name}: f32 greedy text of ${chosen.length} conversations`,
      () =>
        withPrepared(miniModelDir(), "f32", (prepared) =>
          withBackend(name, (backend) => {
            const transformer = createTransformer({ prepared, backend, numSlots: 1, capacity: 512, maxRows: 512 })
            for (const { name: conversation, prompt_ids, output_ids } of chosen) {
              const { ids } = generateGreedy(transformer, prompt_ids, { numIds: output_ids.length })
              expect(ids, conversation).toEqual(output_ids)
            }
            transformer.close()
          }),
        ),
      120_000,
    )
  }
})
