import { describe, expect, test } from "bun:test"
import { fixturePath } from "@consilium/testing"
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createRopeTable } from "./createRopeTable.ts"
import { FAMILIES, loadModelConfig } from "./index.ts"

describe("loadModelConfig", () => {
  test.each(readdirSync(fixturePath("checkpoints")))("%s: both layouts of config.json give the same model", (name) => {
    const source = fixturePath("checkpoints", name)
    const dir = mkdtempSync(join(tmpdir(), "consilium-family-"))
    cpSync(source, dir, { recursive: true })
    cpSync(join(source, "config.legacy.json"), join(dir, "config.json"))
    const [now, legacy] = [loadModelConfig(source), loadModelConfig(dir)]
    expect(legacy.config).toEqual(now.config)
    expect(Object.isFrozen(now.config.layers[0]!.attention)).toBe(true)
    rmSync(dir, { recursive: true })
  })

  test("every family is read by one of the fixtures", () => {
    const read = new Set(
      readdirSync(fixturePath("checkpoints")).map(
        (name) => loadModelConfig(fixturePath("checkpoints", name)).family.name,
      ),
    )
    expect([...read].sort()).toEqual(FAMILIES.map(({ name }) => name).sort())
  })
})

describe("createRopeTable", () => {
  const base = { theta: 10_000, rotaryDim: 4, isInterleaved: false } as const
  const angle = (table: { cos: Float32Array; sin: Float32Array }, at: number): number =>
    Math.atan2(table.sin[at]!, table.cos[at]!)

  test("angles grow with the position, each pair at its frequency", () => {
    const table = createRopeTable({ ...base, scaling: { kind: "none" } }, 4)
    expect(angle(table, 2)).toBeCloseTo(1, 6)
    expect(angle(table, 3)).toBeCloseTo(0.01, 6)
  })

  test("linear scaling divides them; yarn leaves the fast ones and divides the slow ones", () => {
    expect(angle(createRopeTable({ ...base, scaling: { kind: "linear", factor: 4 } }, 4), 2)).toBeCloseTo(0.25, 6)
    const yarn = {
      kind: "yarn",
      factor: 4,
      originalContextLength: 64,
      betaFast: 32,
      betaSlow: 1,
      attentionFactor: 1,
    } as const
    const table = createRopeTable({ ...base, scaling: yarn }, 4)
    expect([angle(table, 2), angle(table, 3)]).toEqual([expect.closeTo(1, 5), expect.closeTo(0.0025, 5)])
  })
})
