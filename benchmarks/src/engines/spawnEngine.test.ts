import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { loadModelConfig } from "@consilium/model"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type GeneratedModel, generateModel } from "../generate/generateModel.ts"
import { parseShape } from "../generate/parseShape.ts"
import { peersDir } from "./installPeers.ts"
import { type EngineSetup, spawnEngine } from "./spawnEngine.ts"

const root = join(import.meta.dir, "../../..")
const workDir = mkdtempSync(join(tmpdir(), "consilium-engines-"))
const signal = new AbortController().signal
const SIZES = { numThreads: 1, promptLength: 32, capacity: 64 }
let model: GeneratedModel

beforeAll(async () => {
  const shape = parseShape("tiny-olmoe")
  const common = {
    shape,
    skew: "uniform",
    seed: 1,
    format: "int8",
    dense: "int8",
    withGguf: true,
    signal,
    report: () => {},
  } as const
  model = await generateModel(workDir, common)
})
afterAll(() => rmSync(workDir, { recursive: true, force: true }))

function consilium(sourceDir = model.sourceDir): EngineSetup {
  const { preparedDir } = model
  return { kind: "consilium", options: { ...SIZES, preparedDir, sourceDir, backend: "onnx", maxStreams: 4 } }
}

describe("spawnEngine: consilium", () => {
  test("times a prompt and steps, and tells what they read", async () => {
    const engine = await spawnEngine(consilium(), signal)
    try {
      const { prefillMs, firstStepMs, tokensPerExpert } = await engine.begin(4, 32)
      expect(prefillMs).toBeGreaterThan(0)
      expect(firstStepMs).toBeGreaterThan(0)
      // 32 tokens choose 4 experts in each of 2 layers.
      expect(tokensPerExpert!.map((counts) => counts.reduce((sum, count) => sum + count, 0))).toEqual([128, 128])
      const { ms, weightBytes } = await engine.step(3)
      expect([ms.length, weightBytes!.length]).toEqual([3, 3])
      const memory = await engine.memory()
      expect(memory.residentBytes).toBeGreaterThan(memory.weightBytes)
      // One stream chooses 4 of 16 experts, four more: both less than all weights there are.
      await engine.begin(1, 32)
      const alone = (await engine.step(1)).weightBytes![0]!
      expect(alone).toBeLessThan(weightBytes![0]!)
      expect(weightBytes![0]!).toBeLessThan(memory.weightBytes)
    } finally {
      await engine.close()
    }
  })

  test("a model that cannot be loaded is told in its own words", async () => {
    await expect(spawnEngine(consilium(join(workDir, "nowhere")), signal)).rejects.toThrow(/consilium: .*config\.json/)
  })

  test("a call that fails is told, and the engine goes on", async () => {
    const engine = await spawnEngine(consilium(), signal)
    try {
      await engine.begin(1, 32)
      const tooLong = engine.begin(1, 33)
      await expect(tooLong).rejects.toThrow("consilium: a batch of 33 rows exceeds maxRows 32")
      expect((await engine.step(1)).ms.length).toBe(1)
    } finally {
      await engine.close()
    }
  })

  test("an abort ends the process, and the call that waits", async () => {
    const stop = new AbortController()
    const engine = await spawnEngine(consilium(), stop.signal)
    await engine.begin(1, 32)
    stop.abort()
    await expect(engine.step(10)).rejects.toThrow(/ended with SIGKILL/)
    await engine.close()
  })
})

const hasPeers = existsSync(join(peersDir(root, "cpu"), "node_modules/node-llama-cpp"))
if (!hasPeers) console.log("skipped: llama.cpp reads our GGUF files (benchmarks/peers is not installed)")

describe.skipIf(!hasPeers)("spawnEngine: node-llama-cpp", () => {
  test("loads a generated GGUF file and times prompts and steps of several streams", async () => {
    const { vocabSize } = loadModelConfig(model.sourceDir).config
    const options = { ...SIZES, ggufPath: model.ggufPath!, vocabSize, peersDir: peersDir(root, "cpu") }
    const engine = await spawnEngine({ kind: "node-llama-cpp", options }, signal)
    try {
      for (const numStreams of [1, 4]) {
        expect((await engine.begin(numStreams, 32)).prefillMs).toBeGreaterThan(0)
        const { ms } = await engine.step(3)
        expect(ms.length).toBe(3)
        expect(ms.every((value) => value > 0)).toBe(true)
      }
    } finally {
      await engine.close()
    }
  }, 60_000)
})
