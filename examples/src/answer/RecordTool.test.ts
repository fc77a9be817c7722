import { expect, test } from "bun:test"
import { createRecordTool, renderRecords } from "./RecordTool.ts"

const orders = createRecordTool({
  name: "order_status",
  description: "Get the status of an order",
  key: "order",
  keyDescription: "Order number",
  records: [
    { order: "55120", owner: "mia", status: "shipped", arrives: "Friday" },
    { order: "61009", owner: "leo", status: "delivered" },
    { order: "00000", status: "a sample" },
  ],
  pattern: /\b\d{5}\b/,
})

const find = async (order: string, userId: string | undefined): Promise<string> => {
  const context = { runId: "r", userId, signal: new AbortController().signal }
  return (await orders.tool.run({ order }, context)).text
}

test("createRecordTool: finds one's own records and everybody's, and never whose they are", async () => {
  expect(await find("55120", "mia")).toBe('{"order":"55120","status":"shipped","arrives":"Friday"}')
  expect(await find("00000", "mia")).toBe('{"order":"00000","status":"a sample"}')
})

test("createRecordTool: another's record is as unknown as one that does not exist, for nobody too", async () => {
  for (const [order, user] of [
    ["61009", "mia"],
    ["99999", "mia"],
    ["61009", undefined],
  ] as const)
    expect(await find(order, user)).toBe("[]")
  expect(renderRecords("[]")).toContain("cannot find")
})

test("createRecordTool: a question names a record by its number, a sum does not", () => {
  expect(orders.argumentsFor("Where is 55120?")).toEqual({ order: "55120" })
  expect(orders.argumentsFor("What is 55120 * 2?")).toBeUndefined()
  expect(orders.argumentsFor("Where is it?")).toBeUndefined()
})

test("renderRecords: several stand below each other, an error stays as it is", () => {
  expect(renderRecords('[{"day":"Monday","at_noon":1},{"day":"Friday","at_noon":2}]')).toBe(
    "Day Monday: at noon 1.\nDay Friday: at noon 2.",
  )
  expect(renderRecords("error: timeout")).toBe("error: timeout")
})
