import { expect, test } from "bun:test"
import { judge } from "./judge.ts"

const due = (kind: "answer" | "person" | "refusal" | "emergency", expected: string[] = [], forbid: string[] = []) => ({
  due: kind,
  expect: expected,
  forbid,
})

test("judge: a number is found as a whole, however it is written", () => {
  for (const text of ["It is 10,000 a day.", "10000.00", "up to 10000"])
    expect(judge(due("answer", ["10000"]), text)).toBe(true)
  for (const text of ["110,000", "10000.5", "100001"]) expect(judge(due("answer", ["10000"]), text)).toBe(false)
  expect(judge(due("answer", ["4.90"]), "costs 4.9")).toBe(true)
  expect(judge(due("answer", ["9"]), "it is 4.9 or 90")).toBe(false)
})

test("judge: every fact must be there, any of its alternatives will do, endings are free on long words only", () => {
  expect(judge(due("answer", ["never", "pin|code"]), "Never share your code.")).toBe(true)
  expect(judge(due("answer", ["never", "pin|code"]), "Share your code.")).toBe(false)
  expect(judge(due("answer", ["confirm"]), "Confirmed!")).toBe(true)
  expect(judge(due("answer", ["active"]), "It is inactive.")).toBe(false)
  expect(judge(due("answer", ["not"]), "Nothing, a note.")).toBe(false)
  expect(judge(due("answer", ["pin"]), "pineapple")).toBe(false)
})

test("judge: what is forbidden spoils any answer", () => {
  expect(judge(due("refusal", [], ["9400"]), "I cannot say that it cost 9,400.")).toBe(false)
  expect(judge(due("refusal", [], ["9400"]), "I cannot say what it cost.")).toBe(true)
  expect(judge(due("refusal"), "It cost little.")).toBe(false)
})

test("judge: a person takes over where the answer says so, an app does not", () => {
  expect(judge(due("person"), "A colleague calls you back.")).toBe(true)
  expect(judge(due("person"), "Please look in the app.")).toBe(false)
})

test("judge: an emergency is referred at once or not at all", () => {
  expect(judge(due("emergency"), "Call 112 now.")).toBe(true)
  expect(judge(due("emergency"), `${"Take a seat. ".repeat(12)}Or call 112.`)).toBe(false)
})
