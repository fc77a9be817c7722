import { describe, expect, test } from "bun:test"
import { parseFleet } from "@consilium/fleet"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { readQuestions } from "./answer/readQuestions.ts"
import { CASES } from "./cases.ts"
import { CASES_DIR } from "./runCase.ts"

describe.each(CASES.map((one) => [one.name, one] as const))("%s", (name, one) => {
  const file = (...parts: string[]): string => join(CASES_DIR, name, ...parts)
  const questions = readQuestions(file("questions.jsonl"))

  test("questions: forty, none twice, about half of them worded freshly, something to look for in each answer", () => {
    expect(questions).toHaveLength(40)
    expect(new Set(questions.map(({ ask }) => ask)).size).toBe(40)
    const numFresh = questions.filter(({ isFresh }) => isFresh).length
    expect(numFresh).toBeGreaterThanOrEqual(17)
    expect(numFresh).toBeLessThanOrEqual(23)
    for (const { due, expect: facts, ask } of questions)
      expect([ask, due === "answer"]).toEqual([ask, facts.length > 0])
  })

  test("consilium.toml: its experts are the case's desks, and every question is one's of them", () => {
    const toml = Bun.TOML.parse(readFileSync(file("consilium.toml"), "utf8")) as { fleet: unknown }
    const experts = parseFleet(toml.fleet, "consilium.toml").experts.map((expert) => expert.name)
    expect(experts.toSorted()).toEqual(Object.keys(one.desks).toSorted())
    expect(questions.filter(({ desk }) => !experts.includes(desk))).toEqual([])
  })
})

test("readQuestions: says which line is wrong, and how", () => {
  expect(() => readQuestions(join(CASES_DIR, "bank/accounts.json"))).toThrow()
})
