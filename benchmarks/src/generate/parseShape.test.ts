import { expect, test } from "bun:test"
import { parseShape, SHAPES } from "./parseShape.ts"

test("parseShape: a name alone is that shape", () => {
  expect(parseShape("olmoe-1b-7b")).toEqual({ name: "olmoe-1b-7b", config: SHAPES["olmoe-1b-7b"]! })
})

test("parseShape: fields that are given replace those of the name, and show in the new name", () => {
  const { name, config } = parseShape("qwen3-30b-a3b,num_hidden_layers=4,norm_topk_prob=false")
  expect(name).toBe("qwen3-30b-a3b-num_hidden_layers=4-norm_topk_prob=false")
  expect(config).toEqual({ ...SHAPES["qwen3-30b-a3b"], num_hidden_layers: 4, norm_topk_prob: false })
})

test("parseShape: says what there is when a name, a field or a value is not", () => {
  expect(() => parseShape("qwen4")).toThrow('shape "qwen4": expected one of qwen3-30b-a3b, olmoe-1b-7b')
  expect(() => parseShape("constructor")).toThrow("expected one of")
  expect(() => parseShape("olmoe-1b-7b,layers=4")).toThrow(
    'shape field "layers": expected one of model_type, vocab_size',
  )
  expect(() => parseShape("olmoe-1b-7b,num_experts=many")).toThrow(
    'num_experts: expected a number above 0, found "many"',
  )
  expect(() => parseShape("olmoe-1b-7b,norm_topk_prob=1")).toThrow("norm_topk_prob: expected true or false")
})
