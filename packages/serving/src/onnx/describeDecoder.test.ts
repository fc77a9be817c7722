import type { ForeignTensor } from "@consilium/onnx"
import { describe, expect, test } from "bun:test"
import { describeDecoder } from "./describeDecoder.ts"

const tensor = (name: string, type: ForeignTensor["type"], ...shape: number[]): ForeignTensor => ({ name, type, shape })
const IDS = tensor("input_ids", "i64", -1, -1)
const MASK = tensor("attention_mask", "i64", -1, -1)
const LOGITS = tensor("logits", "f32", -1, -1, 100)
const PAST = tensor("past_key_values.0.key", "f32", -1, 2, -1, 8)
const PRESENT = tensor("present.0.key", "f32", -1, 2, -1, 8)

const shapeOf = (inputs: readonly ForeignTensor[], outputs: readonly ForeignTensor[], vocabSize?: number) =>
  describeDecoder({ inputs, outputs, run: () => ({}), close: () => {} }, "m.onnx", vocabSize)

describe("describeDecoder", () => {
  test("reads a decoder with a cache, and one without", () => {
    const cached = shapeOf([IDS, MASK, tensor("position_ids", "i32", -1, -1), PAST], [LOGITS, PRESENT])
    expect(cached).toEqual({
      logits: { type: "f32", isLastOnly: false },
      vocabSize: 100,
      integers: new Map([
        ["input_ids", "i64"],
        ["attention_mask", "i64"],
        ["position_ids", "i32"],
      ]),
      cache: [{ input: "past_key_values.0.key", output: "present.0.key", type: "f32", numHeads: 2, headSize: 8 }],
    })
    expect(shapeOf([IDS], [LOGITS]).cache).toEqual([])
  })

  test("takes the vocabulary's size from the config where the graph does not say, and sees who gives the last row alone", () => {
    const last = shapeOf([IDS], [tensor("logits", "f16", -1, 1, -1)], 50)
    expect([last.vocabSize, last.logits]).toEqual([50, { type: "f16", isLastOnly: true }])
  })

  test.each([
    ["takes something else", [IDS, tensor("use_cache_branch", "other", 1)], [LOGITS], "found use_cache_branch (other)"],
    ["takes no ids", [MASK], [LOGITS], "expected an input called input_ids, found attention_mask"],
    ["takes ids in floats", [tensor("input_ids", "f32", -1, -1)], [LOGITS], "found input_ids (f32)"],
    ["gives no logits", [IDS], [tensor("last_hidden_state", "f32", -1, -1, 8)], "expected an output called logits"],
    ["gives logits of two dimensions", [IDS], [tensor("logits", "f32", -1, 8)], "found logits (f32 of [-1, 8])"],
    [
      "says no size of the vocabulary",
      [IDS],
      [tensor("logits", "f32", -1, -1, -1)],
      "vocab_size in config.json, found neither",
    ],
    [
      "remembers in three dimensions",
      [IDS, tensor("past_key_values.0.key", "f32", -1, -1, 8)],
      [LOGITS, PRESENT],
      "past_key_values.0.key (f32 of [-1, -1, 8])",
    ],
    [
      "remembers in integers",
      [IDS, { ...PAST, type: "i64" as const }],
      [LOGITS, PRESENT],
      "past_key_values.0.key (i64",
    ],
    [
      "gives nothing to remember",
      [IDS, PAST],
      [LOGITS],
      "expected an output called present.0.key for past_key_values.0.key",
    ],
  ])("refuses a model that %s", (_, inputs, outputs, message) => {
    expect(() => shapeOf(inputs, outputs)).toThrow(message)
    expect(() => shapeOf(inputs, outputs)).toThrow("m.onnx: expected ")
  })
})
