import { afterAll, describe, expect, test } from "bun:test"
import { fixturePath } from "@consilium/testing"
import fc from "fast-check"
import {
  cpSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { CheckpointError, openCheckpoint } from "./index.ts"

const workDir = mkdtempSync(join(tmpdir(), "consilium-checkpoint-"))
afterAll(() => rmSync(workDir, { recursive: true, force: true }))

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>

/** Begins a safetensors file with a header; returns its descriptor and where data begins. */
function writeHeader(path: string, header: Header): { file: number; dataStart: number } {
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  const file = openSync(path, "w")
  writeSync(file, Buffer.concat([length, json]))
  return { file, dataStart: 8 + json.length }
}

function directory(name: string): string {
  const dir = join(workDir, name)
  mkdirSync(dir, { recursive: true })
  return dir
}

describe("openCheckpoint", () => {
  test("a tensor behind the fourth gigabyte of a sparse 6 GB file is read, and nothing else is", () => {
    const dir = directory("sparse")
    const GB = 2 ** 30
    const { file, dataStart } = writeHeader(join(dir, "model.safetensors"), {
      "large.weight": { dtype: "BF16", shape: [1024, (5 * GB) / 2048], data_offsets: [0, 5 * GB] },
      "late.weight": { dtype: "F32", shape: [2, 2], data_offsets: [5 * GB, 5 * GB + 16] },
    })
    ftruncateSync(file, 6 * GB)
    ftruncateSync(file, dataStart + 5 * GB + 16)
    writeSync(file, new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer), 0, 16, dataStart + 5 * GB)
    const before = process.memoryUsage.rss()
    const checkpoint = openCheckpoint(dir)
    expect([...checkpoint.readTensor("late.weight", [2, 2])]).toEqual([1, 2, 3, 4])
    const row = checkpoint.readRows("large.weight", [1024, (5 * GB) / 2048], 1023, 1)
    expect([row.length, row[0], row.at(-1)]).toEqual([(5 * GB) / 2048, 0, 0])
    expect(process.memoryUsage.rss() - before).toBeLessThan(128 * 2 ** 20)
    checkpoint.close()
  })

  test("rows, 16-bit floats and shards come as the file has them", () => {
    const dir = directory("rows")
    const { file, dataStart } = writeHeader(join(dir, "model.safetensors"), {
      half: { dtype: "F16", shape: [3, 2], data_offsets: [0, 12] },
      brain: { dtype: "BF16", shape: [2], data_offsets: [12, 16] },
    })
    const half = new Uint16Array(new Float16Array([0, 1, 2, 3, 4, 5]).buffer)
    writeSync(file, new Uint8Array(half.buffer), 0, 12, dataStart)
    writeSync(file, new Uint8Array(Uint16Array.of(0x3f80, 0xc040).buffer), 0, 4, dataStart + 12)
    const checkpoint = openCheckpoint(dir)
    expect([...checkpoint.readRows("half", [3, 2], 1, 2)]).toEqual([2, 3, 4, 5])
    expect([...checkpoint.readTensor("brain", [2])]).toEqual([1, -3])
    expect(() => checkpoint.readTensor("half", [2, 3])).toThrow("half: expected shape [2, 3], found [3, 2]")
    expect(() => checkpoint.readTensor("none", [1])).toThrow("none: expected this tensor")
    checkpoint.close()

    const sharded = openCheckpoint(fixturePath("checkpoints/qwen3_moe"))
    expect(sharded.shape("model.norm.weight")).toEqual([64])
    sharded.close()
  })

  test("any single damaged byte of a header is an error of ours, or harmless; never a crash", () => {
    const source = fixturePath("checkpoints/qwen3")
    const bytes = readFileSync(join(source, "model.safetensors"))
    const headerBytes = 8 + Number(bytes.readBigUInt64LE(0))
    const dir = directory("flipped")
    fc.assert(
      fc.property(fc.integer({ min: 0, max: headerBytes - 1 }), fc.integer({ min: 0, max: 255 }), (at, value) => {
        const damaged = Buffer.from(bytes)
        damaged[at] = value
        writeFileSync(join(dir, "model.safetensors"), damaged)
        try {
          openCheckpoint(dir).close()
        } catch (error) {
          expect(error).toBeInstanceOf(CheckpointError)
        }
      }),
      { numRuns: 200 },
    )
  })

  test("an index that leads out of the directory, or to what is not there, is refused", () => {
    const dir = directory("index")
    cpSync(fixturePath("checkpoints/qwen3_moe"), dir, { recursive: true })
    const path = join(dir, "model.safetensors.index.json")
    const index = JSON.parse(readFileSync(path, "utf8")) as { weight_map: Record<string, string> }
    for (const [shard, says] of [
      ["../rows/model.safetensors", "a .safetensors file beside it"],
      ["model-00003-of-00002.safetensors", "a readable file, found ENOENT"],
    ] as const) {
      writeFileSync(path, JSON.stringify({ weight_map: { ...index.weight_map, "model.norm.weight": shard } }))
      expect(() => openCheckpoint(dir)).toThrow(says)
    }
  })
})
