import { afterAll, describe, expect, test } from "bun:test"
import { fixturePath } from "@consilium/testing"
import fc from "fast-check"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { CheckpointError, openCheckpoint } from "./index.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-header-"))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** A safetensors file of a header and zeroed data. */
function fileOf(header: unknown, dataBytes: number, headerBytes?: bigint): Buffer {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(headerBytes ?? BigInt(json.length))
  return Buffer.concat([length, json, Buffer.alloc(dataBytes)])
}

/** Opens a checkpoint of one file and returns what is wrong with it. */
function failureOf(bytes: Uint8Array, tensor?: string, shape: readonly number[] = [2]): string {
  writeFileSync(join(dir, "model.safetensors"), bytes)
  try {
    const checkpoint = openCheckpoint(dir)
    try {
      if (tensor !== undefined) checkpoint.readTensor(tensor, shape)
    } finally {
      checkpoint.close()
    }
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error
    expect(error.message).not.toContain("\n")
    return error.message
  }
  return "nothing"
}

const two = { dtype: "F32", shape: [2], data_offsets: [0, 8] }
const CASES: readonly (readonly [what: string, file: Buffer, says: string])[] = [
  ["an empty file", Buffer.alloc(0), "found 0 bytes"],
  ["a huge header length", fileOf("{}", 0, 2n ** 63n), "a header length of 9223372036854776000"],
  ["a header longer than the file", fileOf({ a: two }, 8, 5000n), "found a header length of 5000"],
  ["a header that is no JSON", fileOf("{a", 0), "a header that is a JSON object"],
  ["a header that is a list", fileOf("[]", 0), "a header that is a JSON object"],
  ["invalid UTF-8", Buffer.concat([fileOf("", 0, 2n), Buffer.of(0xff, 0xfe)]), "a header that is a JSON object"],
  ["a tensor that is null", fileOf({ a: null }, 8), "a: expected a dtype"],
  [
    "an unknown dtype",
    fileOf({ a: { ...two, dtype: "F31" } }, 8),
    'a: expected a dtype of the safetensors format, found "F31"',
  ],
  ["a dtype that every object has", fileOf({ a: { ...two, dtype: "constructor" } }, 8), "a: expected a dtype"],
  ["a negative size", fileOf({ a: { ...two, shape: [-2] } }, 8), "a: expected a shape of non-negative"],
  ["a fraction", fileOf({ a: { ...two, shape: [1.5] } }, 8), "a: expected a shape of non-negative"],
  ["one offset", fileOf({ a: { ...two, data_offsets: [8] } }, 8), "a: expected data_offsets"],
  ["offsets past the end", fileOf({ a: two }, 7), "(is it truncated?), found [0, 8]"],
  ["offsets that run backwards", fileOf({ a: { ...two, data_offsets: [8, 0] } }, 8), "found [8, 0]"],
  ["a shape that overflows", fileOf({ a: { ...two, shape: [2 ** 52, 2 ** 52] } }, 8), "a: expected"],
  ["a shape of other bytes", fileOf({ a: { ...two, shape: [3] } }, 8), "a: expected 12 bytes for F32 [3], found 8"],
  ["an overlap", fileOf({ a: two, b: { ...two, data_offsets: [4, 12] } }, 12), "b: expected data from byte 8 on"],
  ["a hole", fileOf({ a: two, b: { ...two, data_offsets: [12, 20] } }, 20), "b: expected data from byte 8 on"],
  ["bytes that are no tensor's", fileOf({ a: two }, 9), "expected 8 bytes of data, found 9"],
  [
    "a name that occurs twice",
    fileOf(`{"a":${JSON.stringify(two)},"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}`, 16),
    "a: expected data from byte 0 on",
  ],
]

describe("readSafetensorsHeader", () => {
  test.each(CASES)("%s is told in one line", (_, file, says) => expect(failureOf(file)).toContain(says))

  test("tensors of other types may lie in a file; reading one names its type", () => {
    const file = fileOf({ a: { dtype: "F8_E4M3", shape: [2], data_offsets: [0, 2] } }, 2)
    expect(failureOf(file)).toBe("nothing")
    expect(failureOf(file, "a")).toContain("a: expected F32, F16 or BF16, found F8_E4M3")
  })

  test("a weight that is no finite number names its tensor", () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const file = fileOf({ a: two }, 8)
      file.writeFloatLE(value, file.length - 4)
      expect(failureOf(file, "a")).toContain(`a: expected finite weights, found ${value}`)
    }
  })

  test("a file that is cut anywhere is noticed when it is opened", () => {
    const bytes = readFileSync(join(fixturePath("checkpoints/qwen3"), "model.safetensors"))
    fc.assert(
      fc.property(fc.integer({ min: 0, max: bytes.length - 1 }), (length) => {
        expect(failureOf(bytes.subarray(0, length))).toStartWith(dir)
      }),
      { numRuns: 100 },
    )
  })

  test("what is missing, or no file, is told by name", () => {
    rmSync(join(dir, "model.safetensors"))
    expect(() => openCheckpoint(dir)).toThrow("model.safetensors: expected a readable file, found ENOENT")
    mkdirSync(join(dir, "model.safetensors"))
    expect(() => openCheckpoint(dir)).toThrow("found something else of that name")
    rmSync(join(dir, "model.safetensors"), { recursive: true })
    writeFileSync(join(dir, "plain"), "")
    expect(() => openCheckpoint(join(dir, "plain"))).toThrow("found ENOTDIR")
  })
})
