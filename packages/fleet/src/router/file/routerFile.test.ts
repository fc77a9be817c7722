import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { BANK_EXPERTS, bankExamples } from "../../../test/bankExamples.ts"
import { createLearnedRouter } from "../learned/createLearnedRouter.ts"
import { trainRouter } from "../learned/trainRouter.ts"
import { RouterError } from "../RouterError.ts"
import { decodeRouter, loadRouter } from "./decodeRouter.ts"
import { encodeRouter, PREFIX_BYTES } from "./encodeRouter.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-router-"))
afterAll(() => rmSync(dir, { recursive: true }))

const weights = trainRouter(bankExamples(), { experts: BANK_EXPERTS, task: "choose", model: "mlp", seed: 1 })
const bytes = encodeRouter(weights)

/** The same file with another header, and a checksum that holds. */
function withHeader(change: object): Uint8Array {
  const file = Buffer.from(bytes)
  const length = file.readUInt32LE(8)
  const header = { ...JSON.parse(file.toString("utf8", PREFIX_BYTES, PREFIX_BYTES + length)), ...change }
  const text = Buffer.from(JSON.stringify(header))
  const body = Buffer.concat([text, file.subarray(PREFIX_BYTES + length)])
  const prefix = Buffer.from(file.subarray(0, PREFIX_BYTES))
  prefix.writeUInt32LE(text.length, 8)
  prefix.writeBigUInt64LE(Bun.hash.xxHash64(body), 12)
  return Buffer.concat([prefix, body])
}

test("file: what is read scores nearly as what was written, and is written the same again", () => {
  const path = join(dir, "bank.router")
  writeFileSync(path, bytes)
  const read = loadRouter(path)
  const own = createLearnedRouter(weights)
  for (const { request } of bankExamples()) {
    const scores = own.score(request)
    for (const [e, score] of read.score(request).entries()) expect(score).toBeCloseTo(scores[e]!, 1)
  }
  expect(encodeRouter(read.weights)).toEqual(bytes)
})

test("file: says which embedder its embeddings are of", () => {
  const examples = bankExamples().map(({ request, targets }) => ({
    request: { ...request, embedding: Float32Array.of(request.text.length, 1) },
    targets,
  }))
  const embedder = { kind: "local", model: "mini", content: "c0ffee-int8", task: "classification: ", size: 2 } as const
  const training = { experts: BANK_EXPERTS, task: "choose", model: "linear", seed: 1, embedder } as const
  const read = decodeRouter(encodeRouter(trainRouter(examples, training)), "own.router")
  expect([read.embedder, read.embeddingSize]).toEqual([embedder, 2])
})

test("file: cut anywhere, it is refused", () => {
  for (let length = 0; length < bytes.length; length += Math.max(1, Math.floor(bytes.length / 97)))
    expect(() => decodeRouter(bytes.subarray(0, length), "cut.router")).toThrow(RouterError)
})

test("file: with any byte changed, it is refused", () => {
  for (let at = 0; at < bytes.length; at += Math.floor(bytes.length / 97)) {
    const damaged = new Uint8Array(bytes)
    damaged[at]! ^= 0x41
    expect(() => decodeRouter(damaged, "damaged.router")).toThrow(RouterError)
  }
})

test("file: a header that lies is refused before anything is allocated", () => {
  const lies: [object, string][] = [
    [{ numGrams: 2 ** 29 }, "bytes of numbers"],
    [{ numGrams: 2 ** 40 }, "numGrams, a whole number"],
    [{ hiddenWidth: 0 }, "a width that fits the experts"],
    [{ hiddenWidth: -3 }, "hiddenWidth, a whole number"],
    [{ hasHead: false }, "a width that fits the experts"],
    [{ experts: ["one"] }, "2 experts or more"],
    [{ experts: ["a", "a", "b"] }, "by different names"],
    [{ experts: "abc" }, "2 experts or more"],
    [{ output: "relu" }, "an output, softmax or sigmoid"],
    [{ temperature: 0 }, "a temperature above 0"],
    [{ temperature: null }, "a temperature above 0"],
    [{ hasTradeOff: true }, "two experts of a trade-off"],
    [{ seed: "1" }, "seed, a whole number"],
    [{ seed: -1 }, "seed, a whole number"],
    [{ seed: 0.5 }, "seed, a whole number"],
    [{ seed: 2 ** 53 }, "seed, a whole number"],
    [{ embedder: "mini" }, "an embedder's kind"],
    [{ embedder: { kind: "local", model: 7, task: "" } }, "an embedder's model, content and task"],
    [{ embedder: { kind: "remote", model: "m", task: "", size: 256 } }, "an embedder of size 0"],
  ]
  for (const [change, expected] of lies)
    expect(() => decodeRouter(withHeader(change), "lies.router"), JSON.stringify(change)).toThrow(expected)
})

test("file: any seed that a router can be trained with is read again", () => {
  const seed = Number.MAX_SAFE_INTEGER
  expect(decodeRouter(withHeader({ seed }), "seed.router").features.seed).toBe(seed)
})

test("file: no file, no router and another version are told apart", () => {
  expect(() => loadRouter(join(dir, "none.router"))).toThrow("expected a readable router, found ENOENT")
  expect(() => loadRouter(dir)).toThrow(RouterError)
  expect(() => decodeRouter(new TextEncoder().encode("text,label\nhello world,a\n"), "x.csv")).toThrow(
    "x.csv: expected a router's file, found something else: train the router anew",
  )
  const newer = new Uint8Array(bytes)
  newer[4] = 9
  expect(() => decodeRouter(newer, "newer.router")).toThrow("expected version 1, found 9")
})
