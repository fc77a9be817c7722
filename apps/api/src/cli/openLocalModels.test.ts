import { parseFleet } from "@consilium/fleet"
import { miniModelDir } from "@consilium/testing"
import { afterAll, describe, expect, test } from "bun:test"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { loadSettings } from "../settings/loadSettings.ts"
import { openLocalModels } from "./openLocalModels.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-open-models-"))
afterAll(() => rmSync(dir, { recursive: true }))

/** Lays out an ONNX expert whose graph has so many bytes, with these of the embedded model's files. */
function write(name: string, files: readonly string[], numBytes = 1000): string {
  mkdirSync(join(dir, name))
  for (const file of files) copyFileSync(join(miniModelDir(), file), join(dir, name, file))
  writeFileSync(join(dir, name, "model.onnx"), new Uint8Array(numBytes))
  return join(dir, name, "model.onnx")
}

const open = (model: string, flags: Readonly<Record<string, string>> = {}, more: object = {}) => {
  const experts = { risk: { kind: "onnx", modalities: ["text"], model, ...more } }
  return openLocalModels(
    parseFleet({ experts }, "consilium.toml"),
    loadSettings({ flags, environment: {}, file: join(dir, "none.toml") }),
  )
}
const ALL = ["tokenizer.json", "tokenizer_config.json", "generation_config.json"]
const MIB = 2 ** 20

describe("openLocalModels: an ONNX model of text", () => {
  test("is reckoned by its files: twice for onnxruntime, half as much for contexts, and its process", async () => {
    const path = write("whole", ALL, 10 * MIB)
    writeFileSync(`${path}_data`, new Uint8Array(30 * MIB))
    const [opened] = await open(path)
    expect(opened!.admin).toBeUndefined()
    expect(opened!.model.name).toBe("risk")
    expect(opened!.model.text.eosIds).toEqual([4089, 4087])
    expect(opened!.model.options.start).toMatchObject({ onnxModel: path, memoryBytes: (512 + 2.5 * 40) * MIB })
    const most = await open(path, { memory: "256MiB" })
    expect(most[0]!.model.options.start.memoryBytes).toBe(256 * MIB)
    const own = await open(path, {}, { memory: "1GiB" })
    expect(own[0]!.model.options.start.memoryBytes).toBe(1024 * MIB)
  })

  test("without a file, a tokenizer or a chat template is one clear line", async () => {
    const bare = join(dir, "none.onnx")
    const path = "consilium.toml: fleet.experts.risk.model: "
    expect(open(bare)).rejects.toThrow(`${path}${bare}: expected an ONNX file, found none`)
    const mute = write("mute", [])
    expect(open(mute)).rejects.toThrow(`${mute}: expected tokenizer.json beside it or in the folder above, found none`)
    const plain = write("plain", ["tokenizer.json"])
    expect(open(plain)).rejects.toThrow(`${path}${plain}: expected a chat template in tokenizer_config.json`)
    await open(plain).catch(() => {})
  })
})
