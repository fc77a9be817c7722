import { afterAll, describe, expect, test } from "bun:test"
import { createArena, type Format, planMatrixSlab, unpackMatrix } from "@consilium/kernels"
import { expectClose, fixturePath } from "@consilium/testing"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openCheckpoint } from "../checkpoint/index.ts"
import { loadModelConfig } from "../families/index.ts"
import { ensurePrepared, listCache, openPreparedModel, prepareModel, pruneCache, type SlabEntry } from "./index.ts"
import { formatsName, modelFormats } from "./ModelFormats.ts"
import { planModel } from "./planModel.ts"

const workDir = mkdtempSync(join(tmpdir(), "consilium-plan-"))
afterAll(() => rmSync(workDir, { recursive: true, force: true }))

let numCaches = 0
const optionsOf = (fixture: string, format: Format = "f32") => ({
  sourceDir: fixturePath("checkpoints", fixture),
  format,
  cacheDir: join(workDir, `cache-${numCaches++}`),
  onProgress: () => {},
})
const anything = { check: () => {}, readTensor: () => new Float32Array(), readRows: () => new Float32Array() }

describe("planModel", () => {
  test("q, k and v are one matrix with one bias; routers and vectors stay exact in every format", async () => {
    for (const { format, denseFormat } of [
      modelFormats("f32"),
      modelFormats("int8", "int4"),
      modelFormats("int4"),
      modelFormats("int4", "int4"),
    ]) {
      const options = { ...optionsOf("qwen2_moe", format), dense: denseFormat === "int4" ? "int4" : "int8" } as const
      const prepared = openPreparedModel(await prepareModel(options), options.sourceDir)
      const checkpoint = openCheckpoint(options.sourceDir)
      const arena = createArena({})
      const unpack = (entry: SlabEntry): { weights: Float32Array; bias: Float32Array | undefined } => {
        if (entry.shape.kind !== "matrix") throw new Error("expected a matrix")
        const { matrix } = planMatrixSlab(entry.shape)
        const bytes = arena.bytes(arena.allocate(entry.bytes))
        prepared.readSlab(bytes, entry)
        const weights = new Float32Array(matrix.numRows * matrix.numColumns)
        unpackMatrix(weights, bytes, matrix)
        const { bias } = matrix
        const at = bytes.byteOffset + (bias ?? 0)
        return { weights, bias: bias === undefined ? undefined : new Float32Array(bytes.buffer, at, matrix.numRows) }
      }
      const together = (suffix: string, shape: (rows: number) => number[]): Float32Array =>
        Float32Array.from(
          [["q", 64] as const, ["k", 32] as const, ["v", 32] as const].flatMap(([name, rows]) => [
            ...checkpoint.readTensor(`model.layers.1.self_attn.${name}_proj.${suffix}`, shape(rows)),
          ]),
        )
      const layer = prepared.layers[1]!
      const bound = { f32: 0, int8: 0.005, int4: 0.08 }[denseFormat]
      const qkv = unpack(layer.qkv)
      expectClose(
        qkv.weights,
        together("weight", (rows) => [rows, 64]),
        bound,
      )
      expectClose(
        qkv.bias!,
        together("bias", (rows) => [rows]),
        0,
      )
      expectClose(unpack(layer.router!).weights, checkpoint.readTensor("model.layers.1.mlp.gate.weight", [12, 64]), 0)
      const gate = checkpoint.readTensor("model.layers.1.mlp.shared_expert_gate.weight", [1, 64])
      expectClose(layer.sharedExpertGate!, gate, 0)
      expectClose(layer.attentionNorm, checkpoint.readTensor("model.layers.1.input_layernorm.weight", [64]), 0)
      expectClose(prepared.finalNorm, checkpoint.readTensor("model.norm.weight", [64]), 0)
      const shapes = [
        layer.qkv,
        layer.outProj,
        layer.sharedExpert!,
        prepared.head.parts[0]!.slab,
        layer.experts[0]!,
        layer.router!,
      ]
      expect(shapes.map(({ shape }) => shape.format)).toEqual([
        denseFormat,
        denseFormat,
        denseFormat,
        denseFormat,
        format,
        "f32",
      ])
      expect([prepared.format, prepared.denseFormat]).toEqual([format, denseFormat])
      expect(listCache(options.cacheDir).map((entry) => entry.format)).toEqual([formatsName({ format, denseFormat })])
      for (const open of [prepared, checkpoint, arena]) open.close()
    }
  })

  test("a tied head is the embedding itself", async () => {
    const options = optionsOf("qwen3")
    const prepared = openPreparedModel(await prepareModel(options), options.sourceDir)
    expect(prepared.head).toBe(prepared.embedding)
    prepared.close()
  })

  test("a large vocabulary is split by rows, so that neither a part nor its source is beyond its bound", () => {
    const { family, config } = loadModelConfig(fixturePath("checkpoints/llama"))
    const large = { ...config, vocabSize: 1_000_003, hiddenSize: 4096, layers: [] }
    for (const [format, numParts] of [
      ["f32", 16],
      ["int8", 8],
    ] as const) {
      const { head } = planModel(anything, family, large, modelFormats(format))
      let row = 0
      for (const { firstRow, slab } of head!) {
        if (slab.shape.kind !== "matrix") throw new Error("expected a matrix")
        expect(firstRow).toBe(row)
        expect(slab.bytes).toBeLessThanOrEqual(2 ** 30)
        expect(slab.shape.numRows * 4096 * 4).toBeLessThanOrEqual(2 ** 31)
        row += slab.shape.numRows
      }
      expect([row, head!.length]).toEqual([large.vocabSize, numParts])
    }
  })

  test("a tensor that is missing or of another shape is told before anything is written", async () => {
    const options = optionsOf("qwen2_moe")
    const sourceDir = join(workDir, "wrong")
    cpSync(options.sourceDir, sourceDir, { recursive: true })
    const config = JSON.parse(readFileSync(join(sourceDir, "config.json"), "utf8")) as Record<string, unknown>
    for (const [changes, says] of [
      [
        { moe_intermediate_size: 48 },
        "model.layers.0.mlp.experts.0.gate_proj.weight: expected shape [48, 64], found [40, 64]",
      ],
      [{ num_experts: 13 }, "model.layers.0.mlp.gate.weight: expected shape [13, 64], found [12, 64]"],
      [
        { mlp_only_layers: [] },
        "model.layers.2.mlp.shared_expert_gate.weight: expected this tensor, found none of that name",
      ],
      [{ vocab_size: 321 }, "model.embed_tokens.weight: expected shape [321, 64], found [320, 64]"],
    ] as const) {
      writeFileSync(join(sourceDir, "config.json"), JSON.stringify({ ...config, ...changes }))
      const error = await prepareModel({ ...options, sourceDir }).catch((thrown: Error) => thrown.message)
      expect(error).toContain(says)
      expect(existsSync(options.cacheDir)).toBe(false)
    }
  })
})

describe("the cache", () => {
  test("a damaged model is made again, by the same name", async () => {
    const options = optionsOf("qwen3", "int8")
    const { dir } = await ensurePrepared(options)
    for (const file of ["manifest.json", "slabs.bin"]) {
      writeFileSync(join(dir, file), "{")
      expect(await ensurePrepared(options)).toEqual({ dir, wasPrepared: false })
      expect(await ensurePrepared(options)).toEqual({ dir, wasPrepared: true })
    }
    expect(readdirSync(options.cacheDir).length).toBe(1)
  })

  test("the dense parts' format tells prepared models apart, where it says something", async () => {
    const dirs = new Set<string>()
    for (const [format, dense] of [
      ["int8", "int8"],
      ["int8", "int4"],
      ["int4", "int8"],
      ["int4", "int4"],
    ] as const) {
      const options = { ...optionsOf("qwen3", format), cacheDir: join(workDir, "formats"), dense }
      dirs.add((await ensurePrepared(options)).dir)
    }
    expect(
      listCache(join(workDir, "formats"))
        .map(({ dir, format, isStale }) => [dir, format, isStale])
        .sort(),
    ).toEqual([...dirs].map((dir, i) => [dir, ["int8", "int4", "int4-dense-int4"][i]!, false]).sort())
  })

  test("what is not ours in its directory is neither listed nor removed", async () => {
    const options = optionsOf("qwen3", "int8")
    await ensurePrepared(options)
    const foreign = ["extension", "app-f32", "notes.partial-99999999-abc"]
    for (const name of foreign) {
      mkdirSync(join(options.cacheDir, name))
      writeFileSync(join(options.cacheDir, name, "manifest.json"), "{}")
    }
    const writing = `m-0123456789abcdef-int8.partial-${process.pid}-abc`
    mkdirSync(join(options.cacheDir, writing))
    writeFileSync(join(options.cacheDir, writing, "manifest.json"), "{}")
    expect(listCache(options.cacheDir).map(({ model }) => model)).toEqual(["qwen3"])
    expect(pruneCache(options.cacheDir, () => true).length).toBe(1)
    expect(readdirSync(options.cacheDir).sort()).toEqual([...foreign, writing].sort())
  })

  test("a checkpoint that changes is another model", async () => {
    const sourceDir = join(workDir, "changing")
    cpSync(fixturePath("checkpoints/qwen3"), sourceDir, { recursive: true })
    const options = { ...optionsOf("qwen3"), sourceDir }
    const first = await ensurePrepared(options)
    cpSync(join(sourceDir, "config.legacy.json"), join(sourceDir, "config.json"))
    const second = await ensurePrepared(options)
    expect([second.wasPrepared, second.dir === first.dir]).toEqual([false, false])
  })

  test("a full disk is one clear line, and the partial model is gone", () => {
    const options = { ...optionsOf("qwen2_moe"), onProgress: undefined }
    const script = join(workDir, "full.ts")
    writeFileSync(
      script,
      `import { prepareModel } from ${JSON.stringify(join(import.meta.dir, "index.ts"))}
await prepareModel({ ...${JSON.stringify(options)}, onProgress: () => {} }).catch((error) => console.log(error.message))`,
    )
    // A limit on the size of a file stands for a disk that fills up meanwhile.
    const shell = ["sh", "-c", `trap '' XFSZ; ulimit -f 200; exec "$0" "$1"`, process.execPath, script]
    if (process.platform !== "linux") return console.log("skipped: needs a limit on file sizes, as Linux has")
    expect(Bun.spawnSync(shell).stdout.toString()).toContain("the disk is full (EFBIG): free some")
    expect(readdirSync(options.cacheDir)).toEqual([])
  })
})
