import { encodeGraph } from "@consilium/onnx"
import { afterAll, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NOTHING_DESIRED } from "../control.ts"
import type { EngineStart } from "../engine/EngineStart.ts"
import { loadOnnxModel } from "./loadOnnxModel.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-onnx-model-"))
afterAll(() => rmSync(dir, { recursive: true }))

const VOCAB = 4
/** After a token of id i comes that of id i + 1: a table of logits, looked up. It remembers every id in two heads, to no purpose. */
function writeBigram(name: string, type: "f32" | "f16" = "f32"): string {
  const table = Float32Array.from({ length: VOCAB * VOCAB }, (_, at) =>
    (Math.floor(at / VOCAB) + 1) % VOCAB === at % VOCAB ? 9 : 0,
  )
  const bytes = type === "f32" ? table.buffer : Float16Array.from(table).buffer
  const value = (name: string, ...shape: (number | string)[]) => ({ name, type, shape })
  const path = join(dir, `${name}.onnx`)
  const shape = ["batch", 2, "past", 1]
  writeFileSync(
    path,
    encodeGraph({
      inputs: [
        { name: "input_ids", type: "i64", shape: ["batch", "length"] },
        value("past_key_values.0.key", ...shape),
      ],
      outputs: [value("logits", "batch", "length", VOCAB), value("present.0.key", "batch", 2, "total", 1)],
      constants: [
        { name: "table", type, shape: [VOCAB, VOCAB], data: new Uint8Array(bytes) },
        { name: "axes", type: "i64", shape: [2], data: new Uint8Array(BigInt64Array.of(1n, 3n).buffer) },
      ],
      nodes: [
        { op: "Gather", inputs: ["table", "input_ids"], outputs: ["logits"], attributes: { axis: 0 } },
        { op: "Cast", inputs: ["input_ids"], outputs: ["values"], attributes: { to: type === "f32" ? 1 : 10 } },
        { op: "Unsqueeze", inputs: ["values", "axes"], outputs: ["own"] },
        { op: "Concat", inputs: ["own", "own"], outputs: ["both"], attributes: { axis: 1 } },
        {
          op: "Concat",
          inputs: ["past_key_values.0.key", "both"],
          outputs: ["present.0.key"],
          attributes: { axis: 2 },
        },
      ],
    }),
  )
  return path
}

const START: EngineStart = {
  modelId: "m",
  sourceDir: dir,
  preparedDir: dir,
  backend: "auto",
  numThreads: 1,
  numSlots: 2,
  memoryBytes: 2 ** 32,
  maxWaiting: 4,
  debug: 0,
  enablesFaults: false,
  expertIdleMs: null,
  allowsOtherText: true,
  routing: { mode: "exact" },
  desired: NOTHING_DESIRED,
  isTested: false,
  isRestart: false,
}

describe("loadOnnxModel", () => {
  test.each(["f32", "f16"] as const)("runs a model in %s through its cache", (type) => {
    const loaded = loadOnnxModel(START, writeBigram(type, type))
    const { model } = loaded
    expect([loaded.backend, model.config.vocabSize, model.capacity]).toEqual(["onnx", VOCAB, 2048])
    let past = 0
    let next = [0, 2, 1]
    const said: number[] = []
    for (let step = 0; step < 6; step++) {
      const slots = [{ slotId: 0, firstRow: 0, numRows: next.length, pastLength: past, wantsLogits: true }]
      model.run({ numRows: next.length, ids: Int32Array.from(next), slots })
      past += next.length
      next = [model.logits(0).indexOf(9)]
      said.push(...next)
    }
    expect(said).toEqual([2, 3, 0, 1, 2, 3])
    loaded.close()
  })

  test("takes the context from the model's config, or from the setting where that fits it", () => {
    const path = writeBigram("context")
    const capacityOf = (change: Partial<EngineStart>): number => {
      const { model, close } = loadOnnxModel({ ...START, ...change }, path)
      close()
      return model.capacity
    }
    expect(capacityOf({ contextLength: 512 })).toBe(512)
    writeFileSync(join(dir, "config.json"), '{ "max_position_embeddings": 300 }')
    try {
      expect(capacityOf({})).toBe(300)
      expect(() => capacityOf({ contextLength: 512 })).toThrow(
        "context: the model knows 300 positions, 512 were asked for",
      )
    } finally {
      rmSync(join(dir, "config.json"))
    }
  })

  test("says in one line what cannot be", () => {
    const broken = join(dir, "broken.onnx")
    writeFileSync(broken, "no model")
    expect(() => loadOnnxModel(START, broken)).toThrow(
      /^\S+broken\.onnx: expected an ONNX model, found one that onnxruntime refuses: [^\n]+$/,
    )
    const path = writeBigram("small")
    expect(() => loadOnnxModel({ ...START, memoryBytes: 2 ** 20 }, path)).toThrow(
      "memory: 1 MiB have room for 0 positions of 2 streams beside the weights",
    )
  })
})
