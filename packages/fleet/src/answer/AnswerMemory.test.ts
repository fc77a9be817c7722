import { expect, test } from "bun:test"
import { heapStats } from "bun:jsc"
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
  const halves = "\ud83d é 漢\udc00"
  memory.note("halves", answerOf(halves))
  expect(memory.take("halves")!.request.text).toBe(halves)
})

test("answer memory: the rest of a long text is not kept beside its beginning", () => {
  const bytes = (): number => {
    Bun.gc(true)
    const { heapSize, extraMemorySize } = heapStats()
    return heapSize + extraMemorySize
  }
  const memory = createAnswerMemory()
  const before = bytes()
  for (let i = 0; i < 40; i++) memory.note(`r${i}`, answerOf(Buffer.alloc(2e6, `text ${i} `).toString("latin1")))
  expect(bytes() - before).toBeLessThan(10e6)
  expect(memory.take("r7")!.request.text).toStartWith("text 7 ")
})
