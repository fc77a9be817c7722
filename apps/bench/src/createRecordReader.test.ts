import { BACKENDS } from "@consilium/benchmarks"
import { afterEach, beforeEach, expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createRecordReader } from "./createRecordReader.ts"

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "consilium-reader-"))
  mkdirSync(join(dir, "here-2c"))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const write = (name: string): void => writeFileSync(join(dir, "here-2c", `${name}.json`), `{"suite":"${name}"}`)

test("createRecordReader: a name without backend means the fastest that was recorded", () => {
  const [fast, , slow] = BACKENDS
  const read = createRecordReader(dir)
  write(`engine-${slow}`)
  expect(read("here-2c", "engine").suite).toBe(`engine-${slow}`)
  write(`engine-${fast}`)
  expect(read("here-2c", "engine").suite).toBe(`engine-${fast}`)
  write("engine")
  expect(read("here-2c", "engine").suite).toBe("engine")
})

test("createRecordReader: what is not there is answered with what is", () => {
  write("start")
  expect(() => createRecordReader(dir)("here-2c", "stop")).toThrow(
    "there is no record here-2c/stop: expected one of start",
  )
  expect(() => createRecordReader(dir)("there-2c", "start")).toThrow(
    "no record there-2c/start: expected one of here-2c",
  )
})
