import { miniModelDir } from "@consilium/testing"
import { afterAll, expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { findModel } from "./openModel.ts"

const cacheDir = mkdtempSync(join(tmpdir(), "consilium-models-"))
afterAll(() => rmSync(cacheDir, { recursive: true }))

test("findModel: knows directories, and of hubs what was downloaded before", () => {
  expect(findModel(miniModelDir(), cacheDir)).toEqual({ modelId: "consilium-mini", dir: miniModelDir() })
  expect(findModel("somebody/large", cacheDir)).toBeUndefined()
  const dir = join(cacheDir, "hub/somebody--large")
  mkdirSync(dir, { recursive: true })
  expect(findModel("somebody/large", cacheDir)).toEqual({ modelId: "somebody/large", dir })
  expect(() => findModel("no name", cacheDir)).toThrow("expected a checkpoint directory, or a hub name")
})
