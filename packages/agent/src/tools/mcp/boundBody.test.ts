import { expect, test } from "bun:test"
import { boundBody } from "./boundBody.ts"

test("boundBody: a body within the bound is as it was", async () => {
  const bound = boundBody(new Response("hello", { status: 201, headers: { "x-a": "1" } }), 5)
  expect([bound.status, bound.headers.get("x-a"), await bound.text()]).toEqual([201, "1", "hello"])
})

test("boundBody: a larger one fails", async () => {
  await expect(boundBody(new Response("hello!"), 5).text()).rejects.toThrow("the response is larger than 5 bytes")
})
