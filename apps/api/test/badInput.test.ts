/** Bad input at the command line: one clear line that names file, tensor or field, and no stack trace. */
import { afterAll, describe, expect, test } from "bun:test"
import { fixturePath, miniModelDir } from "@consilium/testing"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const workDir = mkdtempSync(join(tmpdir(), "consilium-bad-"))
afterAll(() => rmSync(workDir, { recursive: true, force: true }))

const main = join(import.meta.dir, "../src/main.ts")

/** Runs the command line to its end. */
async function consilium(...args: string[]): Promise<{ exitCode: number; stderr: string; stdout: string }> {
  const child = Bun.spawn([process.execPath, main, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH ?? "", HOME: workDir },
  })
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { exitCode: await child.exited, stderr, stdout }
}

/** A copy of a tiny checkpoint, changed by `spoil`. */
function spoiled(name: string, spoil: (dir: string) => void, source = fixturePath("checkpoints/mixtral")): string {
  const dir = join(workDir, name)
  cpSync(source, dir, { recursive: true })
  spoil(dir)
  return dir
}

const editConfig = (change: Record<string, unknown>) => (dir: string) => {
  const path = join(dir, "config.json")
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...change }))
}

const editWeights = (change: (bytes: Buffer) => Buffer) => (dir: string) => {
  const path = join(dir, "model.safetensors")
  writeFileSync(path, change(readFileSync(path)))
}

/** Rewrites the JSON header, keeping the data. */
const editHeader = (
  change: (header: Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>) => void,
) =>
  editWeights((bytes) => {
    const length = Number(bytes.readBigUInt64LE(0))
    const header = JSON.parse(bytes.toString("utf8", 8, 8 + length))
    change(header)
    const json = Buffer.from(JSON.stringify(header))
    const prefix = Buffer.alloc(8)
    prefix.writeBigUInt64LE(BigInt(json.length))
    return Buffer.concat([prefix, json, bytes.subarray(8 + length)])
  })

const ROUTER = "model.layers.0.block_sparse_moe.gate.weight"

const CASES: readonly (readonly [name: string, dir: () => string, says: RegExp])[] = [
  ["a missing directory", () => join(workDir, "nowhere"), /nowhere/],
  [
    "a directory without a checkpoint",
    () => {
      mkdirSync(join(workDir, "empty"), { recursive: true })
      return join(workDir, "empty")
    },
    /config\.json/,
  ],
  [
    "truncated weights",
    () => spoiled("truncated", (dir) => truncateSync(join(dir, "model.safetensors"), 100_000)),
    /model\.safetensors.*(bytes|ends|short|truncat)/is,
  ],
  [
    "an empty weights file",
    () => spoiled("no-bytes", (dir) => truncateSync(join(dir, "model.safetensors"), 0)),
    /model\.safetensors/,
  ],
  [
    "a header length beyond the file",
    () =>
      spoiled(
        "huge-header",
        editWeights((bytes) => {
          bytes.writeBigUInt64LE(2n ** 62n, 0)
          return bytes
        }),
      ),
    /model\.safetensors.*header/is,
  ],
  [
    "a header that is not JSON",
    () =>
      spoiled(
        "bad-json",
        editWeights((bytes) => {
          bytes[9] = 0xff
          return bytes
        }),
      ),
    /model\.safetensors.*header/is,
  ],
  [
    "overlapping offsets",
    () =>
      spoiled(
        "overlap",
        editHeader((header) => {
          header[ROUTER]!.data_offsets = [0, 8 * 64 * 4]
        }),
      ),
    /overlap/i,
  ],
  [
    "offsets beyond the file",
    () =>
      spoiled(
        "beyond",
        editHeader((header) => {
          header[ROUTER]!.data_offsets = [2 ** 50, 2 ** 50 + 2048]
        }),
      ),
    new RegExp(ROUTER.replaceAll(".", "\\.")),
  ],
  [
    "a missing tensor",
    () =>
      spoiled(
        "missing",
        editHeader((header) => {
          header.other = header[ROUTER]!
          delete header[ROUTER]
        }),
      ),
    new RegExp(ROUTER.replaceAll(".", "\\.")),
  ],
  [
    "a wrong shape",
    () =>
      spoiled(
        "shape",
        editHeader((header) => {
          header[ROUTER]!.shape = [64, 8]
        }),
      ),
    /expected.*\[8, ?64\].*found.*\[64, ?8\]/is,
  ],
  [
    "an unknown family",
    () => spoiled("family", editConfig({ model_type: "perceptron" })),
    /model_type.*mixtral.*perceptron/is,
  ],
  [
    "topK beyond numExperts",
    () => spoiled("top-k", editConfig({ num_experts_per_tok: 9 })),
    /num_experts_per_tok|topK/,
  ],
  ["a negative size", () => spoiled("negative", editConfig({ hidden_size: -64 })), /hidden_size/],
  [
    "a config that is not JSON",
    () => spoiled("config", (dir) => writeFileSync(join(dir, "config.json"), "{")),
    /config\.json/,
  ],
]

describe("consilium prepare", () => {
  test.each(CASES)("%s: one clear line, no stack trace", async (_, dir, says) => {
    const { exitCode, stderr } = await consilium("prepare", dir(), "--cache-dir", join(workDir, "cache"))
    expect(exitCode).not.toBe(0)
    expect(stderr).toMatch(says)
    expect(stderr).not.toMatch(/^\s+at .*:\d+/m)
  })
})

describe("consilium serve", () => {
  test("a port that is taken is named, and the process ends", async () => {
    const other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() })
    const { exitCode, stderr } = await consilium(
      "serve",
      "--model",
      miniModelDir(),
      "--port",
      String(other.port),
      "--cache-dir",
      join(workDir, "cache"),
    )
    other.stop(true)
    expect(exitCode).not.toBe(0)
    expect(stderr).toContain(String(other.port))
    expect(stderr).not.toMatch(/^\s+at .*:\d+/m)
  }, 60_000)

  test.each([
    ["--port", "70000", /port.*70000/is],
    ["--format", "int5", /format.*int8.*int5/is],
    ["--max-streams", "0", /max-streams/],
    ["--memory", "lots", /memory.*lots/is],
    ["--backend", "abacus", /backend.*abacus/is],
  ])("%s %s: says what was expected", async (flag, value, says) => {
    const { exitCode, stderr } = await consilium("serve", flag, value)
    expect(exitCode).not.toBe(0)
    expect(stderr).toMatch(says)
    expect(stderr).not.toMatch(/^\s+at .*:\d+/m)
  })
})
