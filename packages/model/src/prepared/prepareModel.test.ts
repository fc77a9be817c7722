import { afterAll, describe, expect, test } from "bun:test"
import { createArena, createReferenceBackend, LAYOUT_VERSION, planExpertSlab, unpackMatrix } from "@consilium/kernels"
import { fixturePath, maxError } from "@consilium/testing"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openCheckpoint } from "../checkpoint/index.ts"
import { loadModelConfig } from "../families/index.ts"
import { createTransformer } from "../forward/index.ts"
import { ensurePrepared, listCache, openPreparedModel, prepareModel, pruneCache } from "./index.ts"

const workDir = mkdtempSync(join(tmpdir(), "consilium-prepare-"))
afterAll(() => rmSync(workDir, { recursive: true, force: true }))

const sourceDir = fixturePath("checkpoints/qwen2_moe")
let numCaches = 0
const options = (format: "f32" | "int8" | "int4" = "f32") => ({
  sourceDir,
  format,
  cacheDir: join(workDir, `cache-${numCaches++}`),
  onProgress: () => {},
})

describe("prepareModel", () => {
  test.each([
    ["f32", 1e-9],
    ["int8", 0.02],
    ["int4", 0.2],
  ] as const)("%s: every expert comes back from its slab", async (format, bound) => {
    const prepared = openPreparedModel(await prepareModel(options(format)), sourceDir)
    const checkpoint = openCheckpoint(sourceDir)
    const arena = createArena({})
    const { family, config } = loadModelConfig(sourceDir)
    prepared.layers.forEach(({ experts }, l) => {
      experts.forEach((entry, e) => {
        if (entry.shape.kind !== "expert") throw new Error("expected an expert")
        const { upProj } = planExpertSlab(entry.shape)
        const bytes = arena.bytes(arena.allocate(entry.bytes))
        prepared.readSlab(bytes, entry)
        const found = new Float32Array(upProj.numRows * upProj.numColumns)
        unpackMatrix(found, bytes, upProj)
        const names = config.layers[l]!.feedForward.kind === "moe" ? family.layer(l).expert(e) : family.layer(l).dense
        const expected = checkpoint.readTensor(names.upProj, [upProj.numRows, upProj.numColumns])
        const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
        expect(maxError(found, expected)).toBeLessThanOrEqual(bound * largest)
      })
    })
    for (const open of [prepared, checkpoint, arena]) open.close()
  })

  test("a larger model, which workers help with, has every part at its place; a damaged one is told of in the same words", async () => {
    const mini = join(import.meta.dir, "../../../../models/consilium-mini")
    const made = { ...options(), sourceDir: mini }
    const prepared = openPreparedModel(await prepareModel(made), mini)
    const checkpoint = openCheckpoint(mini)
    const { family } = loadModelConfig(mini)
    prepared.layers.forEach(({ experts }, l) => {
      experts.forEach((entry, e) => {
        if (entry.shape.kind !== "expert") throw new Error("expected an expert")
        const { downProj } = planExpertSlab(entry.shape)
        const bytes = new Uint8Array(entry.bytes)
        prepared.readSlab(bytes, entry)
        const found = new Float32Array(downProj.numRows * downProj.numColumns)
        unpackMatrix(found, bytes, downProj)
        const name = family.layer(l).expert(e).downProj
        expect(maxError(found, checkpoint.readTensor(name, [downProj.numRows, downProj.numColumns]))).toBe(0)
      })
    })
    for (const open of [prepared, checkpoint]) open.close()

    const sourceDir = join(workDir, "damaged-mini")
    cpSync(mini, sourceDir, { recursive: true })
    const path = join(sourceDir, "model.safetensors")
    const bytes = readFileSync(path)
    bytes.fill(0xff, bytes.length - 1000)
    writeFileSync(path, bytes)
    const error = await prepareModel({ ...made, sourceDir }).catch((thrown: Error) => thrown.message)
    expect(error).toMatch(/model\.safetensors: .*: expected finite weights, found NaN/)
    expect(readdirSync(made.cacheDir).length).toBe(1)
  })

  test("is made once, listed, and pruned when it is stale or unwanted", async () => {
    const made = options("int8")
    expect((await ensurePrepared(made)).wasPrepared).toBe(false)
    const { dir, wasPrepared } = await ensurePrepared(made)
    expect(wasPrepared).toBe(true)
    expect(listCache(made.cacheDir).map(({ model, format, isStale }) => [model, format, isStale])).toEqual([
      ["qwen2_moe", "int8", false],
    ])
    expect(pruneCache(made.cacheDir)).toEqual([])
    const manifest = join(dir, "manifest.json")
    writeFileSync(
      manifest,
      readFileSync(manifest, "utf8").replace(`"layoutVersion":${LAYOUT_VERSION}`, '"layoutVersion":0'),
    )
    expect(pruneCache(made.cacheDir).length).toBe(1)
    expect(readdirSync(made.cacheDir)).toEqual([])
  })

  test("interrupted, it leaves nothing; what a killed one left is removed by the next", async () => {
    const made = options()
    const aborting = new AbortController()
    const stopped = await prepareModel({
      ...made,
      signal: aborting.signal,
      onProgress: () => aborting.abort(new Error("stop")),
    }).catch((error: Error) => error.message)
    expect([stopped, readdirSync(made.cacheDir)]).toEqual(["stop", []])
    // Process ids end far below this one.
    mkdirSync(join(made.cacheDir, "x-0123456789abcdef-f32.partial-99999999-abc"))
    const dir = await prepareModel(made)
    expect(readdirSync(made.cacheDir)).toEqual([dir.split("/").at(-1)!])
  })

  test("a prepare that is killed leaves no model behind that could be taken for whole", async () => {
    const made = options()
    const script = join(workDir, "killed.ts")
    writeFileSync(
      script,
      `import { prepareModel } from ${JSON.stringify(join(import.meta.dir, "index.ts"))}
await prepareModel({ ...${JSON.stringify({ ...made, onProgress: undefined })}, onProgress: () => process.kill(process.pid, "SIGKILL") })`,
    )
    Bun.spawnSync([process.execPath, script])
    expect(readdirSync(made.cacheDir).every((name) => name.includes(".partial-"))).toBe(true)
    expect(readdirSync(made.cacheDir).length).toBe(1)
    expect(listCache(made.cacheDir)).toEqual([])
    const { wasPrepared } = await ensurePrepared(made)
    expect([wasPrepared, readdirSync(made.cacheDir).length]).toEqual([false, 1])
  })

  test("two at once give one model", async () => {
    const made = options()
    const [a, b] = await Promise.all([prepareModel(made), prepareModel(made)])
    expect(a).toBe(b)
    expect(readdirSync(made.cacheDir)).toEqual([a.split("/").at(-1)!])
    openPreparedModel(a, sourceDir).close()
  })

  test("a cache that cannot be written is one clear line", async () => {
    writeFileSync(join(workDir, "file"), "")
    const error = await prepareModel({ ...options(), cacheDir: join(workDir, "file", "below") }).catch(
      (thrown: Error) => thrown.message,
    )
    expect(error).toMatch(/expected a directory that can be written, found ENOTDIR/)
  })

  test("a disk that is too small is said before anything is written", async () => {
    const disk = join(workDir, "disk")
    mkdirSync(disk)
    if (Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk]).exitCode !== 0) {
      console.log("skipped: a small disk cannot be mounted here")
      return
    }
    try {
      const error = await prepareModel({ ...options(), cacheDir: disk }).catch((thrown: Error) => thrown.message)
      expect(error).toMatch(/expected \d+ MiB free, found 1 MiB: free some, or choose another --cache-dir/)
      expect(readdirSync(disk)).toEqual([])
    } finally {
      Bun.spawnSync(["umount", disk])
    }
  })
})

describe("openPreparedModel", () => {
  test("a flipped byte is found when its slab is read, by name", async () => {
    const dir = await prepareModel(options())
    const path = join(dir, "slabs.bin")
    const prepared = openPreparedModel(dir, sourceDir)
    const entry = prepared.layers[1]!.experts[2]!
    const bytes = readFileSync(path)
    bytes[entry.offset + 5]! ^= 1
    prepared.close()
    writeFileSync(path, bytes)
    const damaged = openPreparedModel(dir, sourceDir)
    const says = /layer 1 expert 2: expected checksum [0-9a-f]{16}, found/
    expect(() => damaged.readSlab(new Uint8Array(entry.bytes), entry)).toThrow(says)

    const arena = createArena()
    const targets = damaged.layers[1]!.experts.map((entry) => ({ entry, span: arena.allocate(entry.bytes) }))
    expect(() => damaged.readSlabs(arena, targets, () => {})).toThrow(says)
    const backend = createReferenceBackend(arena)
    const before = arena.usedBytes
    expect(() => createTransformer({ prepared: damaged, backend, numSlots: 1, capacity: 8, maxRows: 8 })).toThrow(says)
    expect(arena.usedBytes).toBe(before)
    arena.close()
    damaged.close()
  })

  test("a truncated file and a manifest that does not fit are refused at once", async () => {
    const dir = await prepareModel(options())
    const path = join(dir, "slabs.bin")
    writeFileSync(path, readFileSync(path).subarray(0, 100_000))
    expect(() => openPreparedModel(dir, sourceDir)).toThrow(/expected \d+ bytes within the file's 100000/)
    const manifest = join(dir, "manifest.json")
    for (const [text, says] of [
      ["{", "expected JSON"],
      ["{}", "layoutVersion"],
      [
        `{"layoutVersion":${LAYOUT_VERSION},"format":"f32","denseFormat":"f32","model":"m","fingerprint":"f","parts":[]}`,
        "expected 65 parts",
      ],
    ] as const) {
      writeFileSync(manifest, text)
      expect(() => openPreparedModel(dir, sourceDir)).toThrow(says)
    }
    expect(existsSync(manifest)).toBe(true)
  })
})
