import { expect, test } from "bun:test"
import { parseTarget, targetText } from "./parseTarget.ts"

test("parseTarget: auto, a share, a consultation, a name, and nothing else", () => {
  const experts = ["risk", "copy"]
  expect(parseTarget("auto", experts)).toEqual({ kind: "auto", consults: false })
  expect(parseTarget("default", experts)).toEqual({ kind: "auto", consults: false })
  expect(parseTarget("auto:consult", experts)).toEqual({ kind: "auto", consults: true })
  expect(parseTarget("risk", experts)).toEqual({ kind: "expert", name: "risk" })
  for (const [text, share] of [
    ["0.3", 0.3],
    [".25", 0.25],
    ["0", 0],
    ["1", 1],
    ["1.0", 1],
    ["0.0", 0],
  ] as const)
    expect(parseTarget(`auto:${text}`, experts), text).toEqual({ kind: "share", share })
  for (const model of ["auto:", "auto:1.5", "auto:2", "auto:-1", "auto:0.3x", "auto:NaN", "other", ""])
    expect(parseTarget(model, experts), model).toBeUndefined()
  expect(["auto", "auto:0.3", "auto:consult", "risk"].map((model) => targetText(parseTarget(model, experts)!))).toEqual(
    ["auto", "auto:0.3", "auto:consult", "risk"],
  )
})
