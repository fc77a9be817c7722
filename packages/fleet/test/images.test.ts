/** Images for experts that read text: a look at them, and a user's classifier, enter as text. */
import { afterAll, describe, expect, test } from "bun:test"
import { encodeGraph } from "@consilium/onnx"
import { itEffect } from "@consilium/testing/effect"
import { startFakePeer } from "@consilium/testing/peer"
import { Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { FleetRequest } from "../src/index.ts"
import { decodePixels, ImageError } from "../src/image/decodePixels.ts"
import { describeImage } from "../src/image/describeImage.ts"
import { openFleet } from "./fleetOf.ts"
import { requestOf } from "./requestOf.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-images-"))
const peer = startFakePeer()
afterAll(() => {
  peer.stop()
  rmSync(dir, { recursive: true, force: true })
})

/** A bitmap of 24 bits, which needs no library to write. */
function bitmap(width: number, height: number, colourAt: (x: number, y: number) => readonly number[]): Buffer {
  const stride = Math.ceil((width * 3) / 4) * 4
  const file = Buffer.alloc(54 + stride * height)
  file.write("BM")
  file.writeUInt32LE(file.length, 2)
  file.writeUInt32LE(54, 10)
  file.writeUInt32LE(40, 14)
  file.writeInt32LE(width, 18)
  file.writeInt32LE(-height, 22)
  file.writeUInt16LE(1, 26)
  file.writeUInt16LE(24, 28)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) file.set(colourAt(x, y).toReversed(), 54 + y * stride + x * 3)
  return file
}
const halves = bitmap(64, 48, (x) => (x < 32 ? [200, 10, 20] : [0, 0, 255]))
const toUrl = (bytes: Uint8Array, format: string): string =>
  `data:image/${format};base64,${Buffer.from(bytes).toString("base64")}`

describe("decodePixels", () => {
  test("gives the pixels of PNG and JPEG, scaled", async () => {
    const noisy = bitmap(40, 30, (x, y) => [(x * 37 + y * 11) % 256, (x * y) % 256, (x * 5) % 256])
    const pixels = await decodePixels(await new Bun.Image(noisy).png().bytes(), 40, 30)
    for (const [x, y] of [
      [0, 0],
      [39, 29],
      [7, 13],
    ] as const)
      expect([...pixels.subarray((y * 40 + x) * 3, (y * 40 + x) * 3 + 3)]).toEqual([
        (x * 37 + y * 11) % 256,
        (x * y) % 256,
        (x * 5) % 256,
      ])
    const jpeg = await decodePixels(await new Bun.Image(halves).jpeg().bytes(), 2, 1)
    for (const [i, value] of [200, 10, 20, 0, 0, 255].entries()) expect(Math.abs(jpeg[i]! - value)).toBeLessThan(8)
  })

  test.each([
    ["no image", new Uint8Array([1, 2, 3])],
    ["half an image", halves.subarray(0, 60)],
    ["an image that claims to be huge", bitmap(1, 1, () => [0, 0, 0]).fill(0x7f, 18, 20)],
  ])("%s is an error in words", async (_, bytes) => {
    const error = await decodePixels(bytes, 1, 1).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).toBeInstanceOf(ImageError)
  })
})

test("describeImage: format, size and colours, by their fields", async () => {
  const png = await new Bun.Image(halves).png().bytes()
  const words = await describeImage(png, [{ label: "flag", probability: 0.834 }])
  expect(words).toStartWith("PNG, 64 × 48 pixels; mean colour #640")
  expect(words).toContain("colours from top left to bottom right: red purple blue; red purple blue; red purple blue")
  expect(words).toEndWith("looks like: flag 83 %")
})

const expert = `[fleet.experts.far]\nkind = "remote"\nurl = "${peer.url}"\nmodel = "m"\n`
const looking = (url: string): FleetRequest =>
  requestOf("", { messages: [{ role: "user", content: "What is it?", images: [url] }] })
const sentText = (): string => (peer.requests.at(-1)!.messages as { content: string }[])[0]!.content

describe("a fleet with an eye", () => {
  itEffect(
    "lets an expert that reads text know what a classifier sees",
    () =>
      Effect.gen(function* () {
        // Scores are the means of red, green and blue.
        const model = encodeGraph({
          inputs: [{ name: "image", type: "f32", shape: [1, 3, 8, 8] }],
          outputs: [{ name: "scores", type: "f32", shape: [1, 3] }],
          nodes: [
            { op: "GlobalAveragePool", inputs: ["image"], outputs: ["means"] },
            { op: "Flatten", inputs: ["means"], outputs: ["scores"] },
          ],
        })
        writeFileSync(join(dir, "colours.onnx"), model)
        const eye = `[fleet.experts.eye]\nkind = "onnx"\nmodel = "${join(dir, "colours.onnx")}"\nlabels = ["rose", "leaf", "sky"]\nsize = 8\nmean = [0, 0, 0]\ndeviation = [0.1, 0.1, 0.1]\n`
        const fleet = yield* openFleet(expert + eye)
        const red = yield* Effect.promise(() => new Bun.Image(bitmap(20, 10, () => [250, 5, 5])).jpeg().bytes())
        yield* fleet.answer(looking(toUrl(red, "jpeg")), () => {})
        expect(sentText()).toContain("[Image 1: JPEG, 20 × 10 pixels; mean colour #f")
        expect(sentText()).toContain("looks like: rose 100 %]\nWhat is it?")
      }),
    { live: true, timeoutMs: 30_000 },
  )

  itEffect("without a model tells size and colours, and refuses what is no image, or not here", () =>
    Effect.gen(function* () {
      const fleet = yield* openFleet(`${expert}[fleet.experts.eye]\nkind = "onnx"\n`)
      yield* fleet.answer(looking(toUrl(halves, "bmp")), () => {})
      expect(sentText()).toStartWith("[Image 1: BMP, 64 × 48 pixels")
      for (const url of [toUrl(Buffer.from("hello"), "png"), "https://example.com/cat.png"]) {
        const error = yield* Effect.flip(fleet.answer(looking(url), () => {}))
        expect([error.code, error.message.startsWith("An image cannot be read: ")]).toEqual(["bad-request", true])
      }
    }),
  )

  itEffect(
    "whose classifier is no model says so, and goes on with the next image",
    () =>
      Effect.gen(function* () {
        writeFileSync(join(dir, "broken.onnx"), "no model")
        const eye = `[fleet.experts.eye]\nkind = "onnx"\nmodel = "${join(dir, "broken.onnx")}"\nlabels = ["a"]\n`
        const fleet = yield* openFleet(expert + eye)
        for (let i = 0; i < 2; i++) {
          const error = yield* Effect.flip(fleet.answer(looking(toUrl(halves, "bmp")), () => {}))
          expect([error.code, error.message]).toEqual([
            "all-failed",
            "The classifier of images failed: its process ended.",
          ])
        }
      }),
    { live: true, timeoutMs: 30_000 },
  )

  itEffect("an expert that reads images gets them as they are", () =>
    Effect.gen(function* () {
      const fleet = yield* openFleet(`${expert}modalities = ["text", "image"]\n[fleet.experts.eye]\nkind = "onnx"\n`)
      yield* fleet.answer(looking("https://example.com/cat.png"), () => {})
      expect(peer.requests.at(-1)!.messages).toEqual([
        {
          role: "user",
          content: [
            { type: "text", text: "What is it?" },
            { type: "image_url", image_url: { url: "https://example.com/cat.png" } },
          ],
        },
      ])
    }),
  )
})
