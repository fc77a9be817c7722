import { miniModelDir } from "@consilium/testing"
import { expect, test } from "bun:test"
import { loadSettings } from "../settings/loadSettings.ts"
import { openCostLedger, shapeOfServed } from "./openCosts.ts"

const settings = (flags: Parameters<typeof loadSettings>[0]["flags"]) =>
  loadSettings({ flags, environment: {}, file: "no such file" })

test("openCostLedger: no costs are kept unless asked for, and a budget wants a price", () => {
  expect(openCostLedger(settings({}))).toBeUndefined()
  expect(openCostLedger(settings({ price: "1,2" }))).toBeDefined()
  expect(() => openCostLedger(settings({ budget: "key=1,2/day" }))).toThrow("expected a price")
})

test("settings: prices and budgets that cannot be are refused", () => {
  expect(() => settings({ price: "1" })).toThrow("--price: expected USD per million tokens")
  expect(() => settings({ budget: "key=2,1/day" })).toThrow("--budget: expected limits in USD")
})

test("shapeOfServed: experts take less in 4 bits", () => {
  const bytes = (["f32", "int8", "int4"] as const).map(
    (format) => shapeOfServed(miniModelDir(), { format, dense: "int8" }).expertBytesPerWeight,
  )
  expect(bytes).toEqual(bytes.toSorted((a, b) => b - a))
  expect(bytes[0]).toBeCloseTo(4, 1)
})
