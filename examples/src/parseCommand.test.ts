import { expect, test } from "bun:test"
import { CASES } from "./cases.ts"
import { parseCommand } from "./parseCommand.ts"

test("parseCommand: names cases, or all of them, in their own order", () => {
  expect(parseCommand(["hospital", "bank"], CASES)!.cases.map(({ name }) => name)).toEqual(["bank", "hospital"])
  expect(parseCommand(["all"], CASES)!.cases).toHaveLength(4)
  expect(parseCommand(["sale", "--answers", "--trace", "t.csv", "--measurements", "x.json"], CASES)).toMatchObject({
    showsAnswers: true,
    tracePath: "t.csv",
    measurementsPath: "x.json",
  })
})

test("parseCommand: asks for help, or says what was expected", () => {
  expect(parseCommand([], CASES)).toBeUndefined()
  expect(parseCommand(["bank", "--help"], CASES)).toBeUndefined()
  expect(() => parseCommand(["casino"], CASES)).toThrow("expected one of bank, sale, agency, hospital or all")
  expect(() => parseCommand(["--fast"], CASES)).toThrow("case --fast")
  expect(() => parseCommand(["bank", "--measurements"], CASES)).toThrow("expected a file")
})
