import { expect, test } from "bun:test"
import { Schema } from "effect"
import { ToolError } from "./AgentTool.ts"
import { createFunctionTool } from "./createFunctionTool.ts"

const context = { runId: "run", userId: "ann", signal: new AbortController().signal }

const transfer = createFunctionTool({
  name: "transfer",
  description: "Transfers money.",
  args: Schema.Struct({
    amount: Schema.Finite.annotate({ description: "In euros" }),
    kind: Schema.Literals(["now", "later"]),
    note: Schema.optionalKey(Schema.String),
  }),
  changes: true,
  run: async ({ amount, note = "no note" }, { userId }) => `${userId} sends ${amount.toFixed(2)}: ${note}`,
})

test("createFunctionTool: the schema that models read says what the function takes", () => {
  expect(transfer.parameters).toMatchObject({
    type: "object",
    properties: {
      amount: { type: "number", description: "In euros" },
      kind: { enum: ["now", "later"] },
      note: { type: "string" },
    },
    required: ["amount", "kind"],
  })
})

test("createFunctionTool: calls the function with arguments of its types", async () => {
  expect(await transfer.run({ amount: 5, kind: "now" }, context)).toEqual({ text: "ann sends 5.00: no note" })
})

test("createFunctionTool: other arguments do not reach the function", async () => {
  await expect(transfer.run({ amount: "5", kind: "now" }, context)).rejects.toThrow(
    new ToolError("the arguments of transfer are not valid"),
  )
})

test("createFunctionTool: a schema of named parts brings them along", () => {
  const Money = Schema.Struct({ amount: Schema.Finite }).annotate({ identifier: "Money" })
  const args = Schema.Struct({ from: Money, to: Money })
  const { parameters } = createFunctionTool({ ...transfer, args, run: async () => "" })
  expect(parameters).toMatchObject({
    properties: { from: { $ref: "#/$defs/Money" } },
    $defs: { Money: { properties: { amount: { type: "number" } } } },
  })
})
