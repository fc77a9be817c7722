import { expect, test } from "bun:test"
import { BANK_EXPERTS, bankExamples } from "../../test/bankExamples.ts"
import { createLearnedRouter } from "../router/learned/createLearnedRouter.ts"
import { trainRouter } from "../router/learned/trainRouter.ts"
import { createFleetRouter } from "./createFleetRouter.ts"

const trained = createLearnedRouter(
  trainRouter(bankExamples(), { experts: BANK_EXPERTS, task: "choose", model: "linear", seed: 3 }),
)
const experts = BANK_EXPERTS.map((name) => ({ name, domain: "", description: "", examples: [] }))
const request = { text: "Can I pay in installments?", numImages: 0, hasTools: false }

test("fleet router: the trained router is asked as it is until the first lesson, and each lesson reads its request once", () => {
  let numRead = 0
  const given = {
    ...trained,
    read: (asked: typeof request) => {
      numRead++
      return trained.read(asked)
    },
  }
  const { chooser, teach, numTaught } = createFleetRouter(experts, given)
  expect(chooser.score(request)).toEqual(trained.score(request))
  expect(numRead).toBe(0)
  const { before, after } = teach!(request, "loans", 1)
  expect([after > before, numTaught(), numRead]).toEqual([true, 1, 1])
  expect(chooser.score(request)[BANK_EXPERTS.indexOf("loans")]).toBe(after)
  expect(numRead).toBe(2)
  expect(() => teach!(request, "weather", 1)).toThrow('found "weather"')
  expect(numTaught()).toBe(1)
})
