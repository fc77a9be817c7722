import { afterEach, beforeEach, expect, test } from "bun:test"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { BenchRecord } from "./BenchRecord.ts"
import { writeRecord } from "./writeRecord.ts"

const record: BenchRecord = {
  suite: "layer",
  question: "How fast?",
  plot: "bars",
  command: "bun run bench layer",
  commit: "abc1234",
  date: "2026-01-02T03:04:05.000Z",
  machine: { cpu: "Some Chip", features: ["avx2"], numCores: 2, memoryGiB: 24, platform: "linux x64" },
  versions: { bun: "1.4.5" },
  options: { threads: 2 },
  measurements: [
    { name: "64 tokens", contender: "onnx", unit: "ms", samples: [1.23456789, 2] },
    { name: "tokens", unit: "count", samples: [1_234_567] },
  ],
}

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "consilium-record-"))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

test("writeRecord: writes data, table and plot, and the data reads back", () => {
  const path = writeRecord(dir, "layer", record)
  expect(readdirSync(join(dir, "some-chip-avx2-2c")).sort()).toEqual(["layer.json", "layer.md", "layer.svg"])
  const read = JSON.parse(readFileSync(`${path}.json`, "utf8")) as BenchRecord
  const [time, count] = record.measurements
  expect(read).toEqual({ ...record, measurements: [{ ...time!, samples: [1.2346, 2] }, count!] })
  const text = readFileSync(`${path}.md`, "utf8")
  for (const part of [
    "How fast?",
    "Some Chip (avx2), 2 cores, 24 GiB",
    "abc1234",
    "bun 1.4.5",
    "threads 2",
    "**1.62 ms**",
  ]) {
    expect(text).toContain(part)
  }
})

test("writeRecord: a run that was ended early says so, and leaves the whole one alone", () => {
  const path = writeRecord(dir, "layer", record)
  const whole = readFileSync(`${path}.json`, "utf8")
  const partial = writeRecord(dir, "layer", { ...record, interrupted: "1 of 8 measurements" })
  expect(readFileSync(`${path}.json`, "utf8")).toBe(whole)
  expect(readFileSync(`${partial}.md`, "utf8")).toContain("Ended early: 1 of 8 measurements")
})

test("writeRecord: another machine's figures stay", () => {
  const first = writeRecord(dir, "layer", record)
  const second = writeRecord(dir, "layer", { ...record, machine: { ...record.machine, numCores: 64 } })
  expect(second).not.toBe(first)
  expect(readdirSync(dir)).toHaveLength(2)
})

test("writeRecord: names the device that was computed on, and says of a software adapter that it has no figures of speed", () => {
  const device = { model: "nvidia-l4", name: "NVIDIA 580.1", isSoftware: false }
  const textOf = (computedOn: typeof device): string => {
    const path = writeRecord(dir, "layer", { ...record, machine: { ...record.machine, device: computedOn } })
    expect(path).toContain(`some-chip-avx2-2c-${computedOn.model}`)
    return readFileSync(`${path}.md`, "utf8")
  }
  expect(textOf(device)).toContain("Computed on nvidia-l4 (NVIDIA 580.1).")
  expect(textOf({ model: "swiftshader", name: "driver 5", isSoftware: true })).toContain("no figures of speed")
  expect(readFileSync(`${writeRecord(dir, "layer", record)}.md`, "utf8")).not.toContain("Computed on")
})
