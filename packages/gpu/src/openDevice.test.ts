import { expect, test } from "bun:test"
import { modelWord } from "./openDevice.ts"

test("modelWord: a device has one word, whether its driver or Dawn names it", () => {
  expect(modelWord("NVIDIA GeForce RTX 4090")).toBe("nvidia-geforce-rtx-4090")
  expect(modelWord("swiftshader-device-subzero-")).toBe(modelWord("SwiftShader Device (Subzero)"))
})
