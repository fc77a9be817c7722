import { afterAll, expect, test } from "bun:test"
import { ensurePrepared } from "@consilium/model"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { generateModel, type GenerateModelOptions } from "./generateModel.ts"
import { parseShape } from "./parseShape.ts"

const workDir = mkdtempSync(join(tmpdir(), "consilium-generate-"))
afterAll(() => rmSync(workDir, { recursive: true, force: true }))

function optionsOf(text: string, signal = new AbortController().signal): GenerateModelOptions {
  return {
    shape: parseShape(text),
    skew: "uniform",
    seed: 1,
    format: "int8",
    dense: "int8",
    withGguf: true,
    signal,
    report: () => {},
  }
}

function newDir(name: string): string {
  const dir = join(workDir, name)
  mkdirSync(dir)
  return dir
}

test("generateModel: the prepared form and the GGUF file are there, the checkpoint's weights no more", async () => {
  const dir = newDir("whole")
  const { sourceDir, preparedDir, ggufPath } = await generateModel(dir, optionsOf("tiny-olmoe"))
  expect(readdirSync(sourceDir).sort()).toEqual(["config.json", "tokenizer.json", "tokenizer_config.json"])
  expect(readdirSync(preparedDir).sort()).toEqual(["manifest.json", "slabs.bin"])
  expect(existsSync(ggufPath!)).toBe(true)
  const service = { sourceDir, format: "int8", dense: "int8", cacheDir: dirname(preparedDir) } as const
  const found = await ensurePrepared({ ...service, onProgress: () => {} })
  expect(found).toEqual({ dir: preparedDir, wasPrepared: true })
})

test("generateModel: nothing is left when it is aborted in any of its stages", async () => {
  for (const stage of ["generating tiny", "preparing", "generating GGUF"]) {
    const dir = newDir(`aborted-${stage}`)
    const stop = new AbortController()
    const report = (line: string): void => {
      if (line.startsWith(stage)) stop.abort(new Error(`enough of ${stage}`))
    }
    const generated = generateModel(dir, { ...optionsOf("tiny-olmoe", stop.signal), report })
    await expect(generated).rejects.toThrow(`enough of ${stage}`)
    expect(existsSync(dir)).toBe(false)
  }
})

test("generateModel: a model that fits neither memory nor disk is told before its weights are written", async () => {
  const dir = newDir("large")
  const generated = generateModel(dir, optionsOf("qwen3-30b-a3b,num_hidden_layers=1000"))
  await expect(generated).rejects.toThrow(
    /as int8: expected at most \d+\.\d GB, this machine's memory, found \d+\.\d GB/,
  )
  expect(existsSync(dir)).toBe(false)
})
