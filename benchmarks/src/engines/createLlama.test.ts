import { expect, test } from "bun:test"
import { checkDevices } from "./createLlama.ts"

const DEVICE = "nvidia-geforce-rtx-4090"

test("checkDevices: the peer runs on our device alone, or not at all, and is told how to", () => {
  expect(() => checkDevices(["NVIDIA GeForce RTX 4090"], DEVICE)).not.toThrow()
  expect(() => checkDevices([], DEVICE)).toThrow(`expected to see ${DEVICE} alone, and sees none: name it`)
  expect(() => checkDevices(["NVIDIA GeForce RTX 4090", "AMD Radeon"], DEVICE)).toThrow("GGML_VK_VISIBLE_DEVICES=0")
  expect(() => checkDevices(["AMD Radeon"], DEVICE)).toThrow("and sees AMD Radeon")
})
