import { createArena, createReferenceBackend } from "@consilium/kernels"
import { ensurePrepared } from "@consilium/model"
import { encodeGraph, type GraphNode, type GraphValue } from "@consilium/onnx"
import { miniModelDir } from "@consilium/testing"
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { RouterError } from "../RouterError.ts"
import { createRemoteEmbedder } from "./createRemoteEmbedder.ts"
import { describeEmbedder, isSameEmbedder } from "./Embedder.ts"
import { openEmbedder } from "./openEmbedder.ts"
import { openLocalEmbedder } from "./openLocalEmbedder.ts"
import { openOnnxEmbedder } from "./openOnnxEmbedder.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-embed-"))
const sourceDir = miniModelDir()
let preparedDir = ""
beforeAll(async () => {
  preparedDir = (await ensurePrepared({ sourceDir, format: "int8", cacheDir: dir, onProgress: () => {} })).dir
})
afterAll(() => rmSync(dir, { recursive: true }))

const cosine = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, value, i) => sum + value * b[i]!, 0) / (Math.hypot(...a) * Math.hypot(...b))
const LOCAL = { kind: "local", model: "mini", format: "int8", sourceDir } as const

test("local embedder: our model's mean hidden state, the same for the same text, nearer for the same matter", () => {
  const arena = createArena({})
  const embedder = openLocalEmbedder(preparedDir, sourceDir, createReferenceBackend(arena))
  try {
    const texts = ["I lost my credit card", "My credit card is lost", "请问快递什么时候到", ""]
    const [lost, isLost, parcel, empty] = texts.map(embedder.embed)
    expect(lost).toHaveLength(embedder.size)
    expect(embedder.embed(texts[0]!)).toEqual(lost!)
    expect(cosine(lost!, isLost!)).toBeGreaterThan(cosine(lost!, parcel!) + 0.1)
    expect(empty!.every((value) => value === 0)).toBe(true)
    embedder.embed("long ".repeat(5000))
  } finally {
    embedder.close()
    arena.close()
  }
}, 60_000)

describe("openEmbedder", () => {
  test("a local one computes in a process of its own, what the reference computes here, and holds nobody up", async () => {
    const embedder = await openEmbedder({ ...LOCAL, preparedDir, task: "" })
    const arena = createArena({})
    const plain = openLocalEmbedder(preparedDir, sourceDir, createReferenceBackend(arena))
    try {
      let numTurns = 0
      const timer = setInterval(() => numTurns++, 1)
      const texts = Array.from({ length: 200 }, (_, i) => `what is my balance, ${i}? ${"and ".repeat(100)}`)
      const vectors = await embedder.embed([...texts, ""])
      clearInterval(timer)
      expect(numTurns).toBeGreaterThan(20)
      expect(vectors).toHaveLength(201)
      expect(cosine(vectors[0]!, plain.embed(texts[0]!))).toBeGreaterThan(0.999)
      expect(vectors[200]!.every((value) => value === 0)).toBe(true)
    } finally {
      plain.close()
      arena.close()
      await embedder.close()
    }
  }, 60_000)

  test("what it is called does not matter, its files, task and format do", async () => {
    const open = async (change: object) => {
      const embedder = await openEmbedder({ ...LOCAL, preparedDir, task: "", ...change })
      await embedder.close()
      return embedder.mark
    }
    const first = await open({})
    expect(first).toMatchObject({ kind: "local", model: "mini", task: "", size: 256 })
    expect(isSameEmbedder(first, await open({ model: "other" }))).toBe(true)
    expect(isSameEmbedder(first, await open({ task: "classification: " }))).toBe(false)
    expect(isSameEmbedder(first, { ...first, content: "0123456789abcdef-int8" })).toBe(false)
    expect(describeEmbedder(first)).toMatch(/^local mini \(size 256, content [0-9a-f]{16}-int8\)$/)
  }, 60_000)

  test("the task text begins each text", async () => {
    const open = (task: string) => openEmbedder({ ...LOCAL, preparedDir, task })
    const [plain, tasked] = [await open(""), await open("classification: ")]
    try {
      expect(await tasked.embed(["my card"])).toEqual(await plain.embed(["classification: my card"]))
    } finally {
      await Promise.all([plain.close(), tasked.close()])
    }
  }, 60_000)

  test.each([
    [
      "a prepared model that is none",
      { ...LOCAL, preparedDir: "/none", task: "" },
      /^mini: expected embeddings, found none: /,
    ],
    [
      "an ONNX file that is none",
      { kind: "onnx", model: "/none.onnx", task: "" },
      "/none.onnx: expected an ONNX file, found none",
    ],
  ] as const)(
    "%s is one clear line",
    async (_, source, message) => {
      const error = await openEmbedder(source).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(RouterError)
      expect((error as Error).message).toMatch(message)
      expect((error as Error).message).not.toContain("\n")
    },
    60_000,
  )
})

const INPUTS: readonly GraphValue[] = ["input_ids", "attention_mask"].map((name) => ({
  name,
  type: "i64",
  shape: ["batch", "tokens"],
}))

/** A model whose token vectors are [id, 1]: their mean is known. */
function writeEncoder(
  name: string,
  change: {
    readonly inputs?: readonly GraphValue[]
    readonly outputs?: readonly GraphValue[]
    readonly nodes?: readonly GraphNode[]
  } = {},
): string {
  const folder = join(dir, name)
  mkdirSync(folder, { recursive: true })
  copyFileSync(join(sourceDir, "tokenizer.json"), join(folder, "tokenizer.json"))
  const axes = new Uint8Array(BigInt64Array.of(2n).buffer)
  const graph = {
    inputs: INPUTS,
    outputs: [{ name: "last_hidden_state", type: "f32" as const, shape: ["batch", "tokens", 2] }],
    nodes: [
      { op: "Cast", inputs: ["input_ids"], outputs: ["ids"], attributes: { to: 1 } },
      { op: "Cast", inputs: ["attention_mask"], outputs: ["ones"], attributes: { to: 1 } },
      { op: "Unsqueeze", inputs: ["ids", "axes"], outputs: ["a"] },
      { op: "Unsqueeze", inputs: ["ones", "axes"], outputs: ["b"] },
      { op: "Concat", inputs: ["a", "b"], outputs: ["last_hidden_state"], attributes: { axis: 2 } },
    ],
    constants: [{ name: "axes", type: "i64" as const, shape: [1], data: axes }],
    ...change,
  }
  const path = join(folder, "model.onnx")
  writeFileSync(path, encodeGraph(graph))
  return path
}

describe("openOnnxEmbedder", () => {
  test("takes the mean of the tokens' vectors, or the sentence's where the model gives it", () => {
    const path = writeEncoder("tokens")
    const embedder = openOnnxEmbedder(path)
    expect(embedder.size).toBe(2)
    const [mean, one] = embedder.embed("I lost my card")
    expect(one).toBeCloseTo(1)
    expect(mean).toBeGreaterThan(1)
    expect(embedder.embed("word ".repeat(3000))[1]).toBeCloseTo(1)
    expect([...embedder.embed("")]).toEqual([0, 0])

    const pooled = openOnnxEmbedder(
      writeEncoder("pooled", {
        outputs: [
          { name: "token_embeddings", type: "f32", shape: ["batch", "tokens"] },
          { name: "sentence_embedding", type: "f32", shape: ["batch", "tokens"] },
        ],
        nodes: [
          { op: "Cast", inputs: ["input_ids"], outputs: ["token_embeddings"], attributes: { to: 1 } },
          { op: "Neg", inputs: ["token_embeddings"], outputs: ["sentence_embedding"] },
        ],
      }),
    )
    expect(pooled.embed("a")[0]).toBeLessThan(0)
    embedder.close()
    pooled.close()
  })

  test("in a process of its own it is the same, told by its files wherever they lie", async () => {
    const open = async (path: string) => {
      const embedder = await openEmbedder({ kind: "onnx", model: path, task: "query: " })
      try {
        return { mark: embedder.mark, vectors: await embedder.embed(["my card"]) }
      } finally {
        await embedder.close()
      }
    }
    const [first, copy] = [await open(writeEncoder("first")), await open(writeEncoder("copy"))]
    expect(first.vectors).toEqual([openOnnxEmbedder(join(dir, "first/model.onnx")).embed("query: my card")])
    expect(first.mark).toMatchObject({ kind: "onnx", model: join(dir, "first/model.onnx"), task: "query: ", size: 2 })
    expect(isSameEmbedder(first.mark, copy.mark)).toBe(true)
    writeFileSync(join(dir, "copy/model.onnx_data"), "other weights")
    expect(isSameEmbedder(first.mark, (await open(join(dir, "copy/model.onnx"))).mark)).toBe(false)
  }, 60_000)

  test("a model that takes or gives something else is one clear line", () => {
    const image = [{ name: "pixels", type: "f32" as const, shape: [1, 2] }]
    const path = writeEncoder("image", {
      inputs: image,
      outputs: [{ name: "out", type: "f32", shape: [1, 2] }],
      nodes: [{ op: "Neg", inputs: ["pixels"], outputs: ["out"] }],
    })
    expect(() => openOnnxEmbedder(path)).toThrow(
      "expected the inputs input_ids, attention_mask, token_type_ids in int64, found pixels (f32)",
    )
    const numbers = writeEncoder("numbers", {
      outputs: [{ name: "out", type: "i64", shape: ["batch", "tokens"] }],
      nodes: [{ op: "Neg", inputs: ["input_ids"], outputs: ["out"] }],
    })
    expect(() => openOnnxEmbedder(numbers)).toThrow("found out (i64, 2 dimensions)")
    writeFileSync(path, "no model")
    expect(() => openOnnxEmbedder(path)).toThrow()
    rmSync(join(dir, "image/tokenizer.json"))
    expect(() => openOnnxEmbedder(path)).toThrow("tokenizer.json")
  })
})

/** An endpoint that answers as it is told. */
function serveEmbeddings(answer: (input: readonly string[]) => Response | Promise<Response>) {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const { input } = (await request.json()) as { readonly input: readonly string[] }
      return answer(input)
    },
  })
  const endpoint = { baseUrl: `${server.url.origin}/v1/`, model: "small", apiKey: "key", size: 2, timeoutMs: 300 }
  return { embedder: createRemoteEmbedder(endpoint), [Symbol.asyncDispose]: () => server.stop(true) }
}

test("remote embedder: vectors come back in the texts' order, whatever theirs", async () => {
  await using remote = serveEmbeddings((input) =>
    Response.json({ data: input.map((text, index) => ({ index, embedding: [text.length, 1] })).reverse() }),
  )
  expect(await remote.embedder.embed(["a", "bbb"])).toEqual([Float32Array.of(1, 1), Float32Array.of(3, 1)])
  expect(await remote.embedder.embed([])).toEqual([])
})

test("remote embedder: an endpoint that fails, hangs or answers something else is told apart", async () => {
  const failures: [() => Response | Promise<Response>, string][] = [
    [() => new Response("no", { status: 503 }), "expected embeddings, found status 503"],
    [() => new Promise<Response>(() => {}), "found none in 300 ms"],
    [() => new Response("hello"), "expected embeddings, found"],
    [() => Response.json({ data: [] }), "expected 1 embeddings, found 0"],
    [() => Response.json({ data: [{ embedding: [1] }] }), "embedding 0: expected 2 finite numbers"],
    [() => Response.json({ data: [{ embedding: [1, "2"] }] }), "embedding 0: expected 2 finite numbers"],
    [() => Response.json({ data: [{ index: 7, embedding: [1, 2] }] }), "and its own index"],
  ]
  for (const [answer, expected] of failures) {
    await using remote = serveEmbeddings(answer)
    expect(remote.embedder.embed(["a"])).rejects.toThrow(expected)
    await remote.embedder.embed(["a"]).catch(() => {})
  }
})
