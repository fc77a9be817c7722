import { ensurePrepared } from "@consilium/model"
import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createRemoteEmbedder } from "./createRemoteEmbedder.ts"
import { openLocalEmbedder } from "./openLocalEmbedder.ts"

const cacheDir = mkdtempSync(join(tmpdir(), "consilium-embed-"))
afterAll(() => rmSync(cacheDir, { recursive: true }))

const cosine = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, value, i) => sum + value * b[i]!, 0) / (Math.hypot(...a) * Math.hypot(...b))

test("local embedder: our model's mean hidden state, the same for the same text, nearer for the same matter", async () => {
  const sourceDir = join(import.meta.dir, "../../../../../models/consilium-mini")
  const { dir } = await ensurePrepared({ sourceDir, format: "int8", cacheDir, onProgress: () => {} })
  const embedder = openLocalEmbedder(dir, sourceDir)
  try {
    const texts = ["I lost my credit card", "My credit card is lost", "请问快递什么时候到", ""]
    const [lost, isLost, parcel, empty] = await embedder.embed(texts)
    expect(lost).toHaveLength(embedder.size)
    expect(await embedder.embed([texts[0]!])).toEqual([lost!])
    expect(cosine(lost!, isLost!)).toBeGreaterThan(cosine(lost!, parcel!) + 0.1)
    expect(empty!.every((value) => value === 0)).toBe(true)
    await embedder.embed(["long ".repeat(5000)])
  } finally {
    embedder.close()
  }
}, 60_000)

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
