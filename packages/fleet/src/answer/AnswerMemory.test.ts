import { expect, test } from "bun:test"
import { createAnswerMemory, MOST_REMEMBERED } from "./AnswerMemory.ts"

const answerOf = (text: string) => ({ request: { text, numImages: 0, hasTools: false }, expert: "desk" })

test("answer memory: gives an answer once, forgets the oldest, and keeps no more of a text than a router reads", () => {
  const memory = createAnswerMemory()
  for (let i = 0; i <= MOST_REMEMBERED; i++) memory.note(`r${i}`, answerOf(`question ${i}`))
  expect(memory.take("r0")).toBeUndefined()
  expect(memory.take("r1")).toEqual(answerOf("question 1"))
  expect(memory.take("r1")).toBeUndefined()
  memory.note("long", answerOf("x".repeat(1e6)))
  expect(memory.take("long")!.request.text.length).toBe(8000)
})
