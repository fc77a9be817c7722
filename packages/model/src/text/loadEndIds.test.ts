import { afterAll, expect, test } from "bun:test"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { miniModelDir } from "@consilium/testing"
import { findModelFile } from "./findModelFile.ts"
import { loadEndIds } from "./loadEndIds.ts"
import { loadTokenizer } from "./loadTokenizer.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-end-ids-"))
afterAll(() => rmSync(dir, { recursive: true }))
const tokenizer = loadTokenizer(miniModelDir())

test("loadEndIds: generation config before config before the tokenizer's own; nothing where nobody says", () => {
  const write = (name: string, value: object): void => writeFileSync(join(dir, name), JSON.stringify(value))
  expect(loadEndIds(dir, tokenizer)).toEqual([])
  write("tokenizer_config.json", { eos_token: { content: "<|im_end|>" } })
  expect(loadEndIds(dir, tokenizer)).toEqual([4089])
  write("tokenizer_config.json", { eos_token: "<|endoftext|>" })
  expect(loadEndIds(dir, tokenizer)).toEqual([4087])
  write("config.json", { model_type: "nobody-knows", eos_token_id: 5 })
  expect(loadEndIds(dir, tokenizer)).toEqual([5])
  write("generation_config.json", { eos_token_id: [7, 8] })
  expect(loadEndIds(dir, tokenizer)).toEqual([7, 8])
  write("generation_config.json", { eos_token_id: null })
  expect(loadEndIds(dir, tokenizer)).toEqual([5])
})

test("findModelFile: beside the graph first, then in the folder above", () => {
  mkdirSync(join(dir, "onnx"))
  const graph = join(dir, "onnx/model.onnx")
  expect(findModelFile(graph, "tokenizer.json")).toBeUndefined()
  copyFileSync(join(miniModelDir(), "tokenizer.json"), join(dir, "tokenizer.json"))
  expect(findModelFile(graph, "tokenizer.json")).toBe(join(dir, "tokenizer.json"))
  copyFileSync(join(miniModelDir(), "tokenizer.json"), join(dir, "onnx/tokenizer.json"))
  expect(findModelFile(graph, "tokenizer.json")).toBe(join(dir, "onnx/tokenizer.json"))
})
