import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { downloadModel, isHubName } from "./index.ts"

const WEIGHTS = Uint8Array.from({ length: 5000 }, (_, i) => i % 251)
const SHA256 = new Bun.CryptoHasher("sha256").update(WEIGHTS).digest("hex")

/** A hub of one model. */
function startHub({ sha256 = SHA256, extra = [] as unknown[] } = {}) {
  const ranges: (string | null)[] = []
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      const { pathname } = new URL(request.url)
      if (pathname === "/api/models/org/name/tree/main") {
        const files = [
          { path: "config.json", size: 2 },
          { path: "model.safetensors", size: WEIGHTS.length, lfs: { oid: sha256 } },
        ]
        return Response.json([...files, { path: "README.md", size: 4 }, ...extra])
      }
      if (pathname === "/org/name/resolve/main/config.json") return new Response("{}")
      if (pathname !== "/org/name/resolve/main/model.safetensors") return new Response("no", { status: 404 })
      const range = request.headers.get("range")
      ranges.push(range)
      const from = Number(/bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0)
      return new Response(WEIGHTS.slice(from), { status: from > 0 ? 206 : 200 })
    },
  })
  return { ranges, endpoint: `http://127.0.0.1:${server.port}`, stop: () => server.stop(true) }
}

describe("downloadModel", () => {
  let dir: string
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "consilium-hub-"))
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))
  const download = (endpoint: string, name = "org/name") => downloadModel({ name, dir, endpoint, onProgress: () => {} })

  test("brings what serving needs, whole, and nothing else; a second time nothing is fetched", async () => {
    const hub = startHub()
    await download(hub.endpoint)
    await download(hub.endpoint)
    expect(readdirSync(dir).sort()).toEqual(["config.json", "model.safetensors"])
    expect(new Uint8Array(readFileSync(join(dir, "model.safetensors")))).toEqual(WEIGHTS)
    expect(hub.ranges.length).toBe(1)
    hub.stop()
  })

  test("resumes what was cut", async () => {
    const hub = startHub()
    writeFileSync(join(dir, "model.safetensors.partial"), WEIGHTS.slice(0, 1234))
    await download(hub.endpoint)
    expect(hub.ranges).toEqual(["bytes=1234-"])
    expect(new Uint8Array(readFileSync(join(dir, "model.safetensors")))).toEqual(WEIGHTS)
    hub.stop()
  })

  test("what the connection cuts is kept, said in one line, and completed the next time", async () => {
    let cut = (): void => {}
    const cutting = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        data(socket, request) {
          const isListing = request.toString().startsWith("GET /api/")
          const listing = JSON.stringify([{ path: "model.safetensors", size: 5000, lfs: { oid: SHA256 } }])
          const length = isListing ? listing.length : WEIGHTS.length
          socket.write(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n`)
          socket.write(isListing ? listing : WEIGHTS.slice(0, 2000))
          if (isListing) socket.end()
          else cut = () => socket.terminate()
        },
      },
    })
    const endpoint = `http://127.0.0.1:${cutting.port}`
    let doneBytes = 0
    // The connection breaks when some of the file has come, and only then.
    const onProgress = (_: string, bytes: number): void => {
      doneBytes = bytes
      cut()
    }
    const error = await downloadModel({ name: "org/name", dir, endpoint, onProgress }).catch(
      (failure: Error) => failure,
    )
    cutting.stop(true)
    expect(doneBytes).toBeGreaterThan(0)
    expect((error as Error).message).toMatch(
      new RegExp(`^org/name: model.safetensors: expected 5000 bytes, found ${doneBytes}.*: run the command again`),
    )
    expect(statSync(join(dir, "model.safetensors.partial")).size).toBe(doneBytes)
    const hub = startHub()
    await download(hub.endpoint)
    expect(hub.ranges).toEqual([`bytes=${doneBytes}-`])
    expect(new Uint8Array(readFileSync(join(dir, "model.safetensors")))).toEqual(WEIGHTS)
    hub.stop()
  })

  test("a partial file that is whole is verified, not fetched again", async () => {
    const hub = startHub()
    writeFileSync(join(dir, "model.safetensors.partial"), WEIGHTS)
    await download(hub.endpoint)
    expect(hub.ranges).toEqual([])
    expect(new Uint8Array(readFileSync(join(dir, "model.safetensors")))).toEqual(WEIGHTS)
    hub.stop()
  })

  test("an answer that is no list is one line", async () => {
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("<html>") })
    await expect(download(`http://127.0.0.1:${server.port}`)).rejects.toThrow("expected a list of files from the hub")
    await server.stop(true)
  })

  test("a file with another SHA-256 is refused and removed", async () => {
    const hub = startHub({ sha256: "0".repeat(64) })
    expect(download(hub.endpoint)).rejects.toThrow("expected SHA-256 0000")
    await download(hub.endpoint).catch(() => {})
    expect(existsSync(join(dir, "model.safetensors"))).toBe(false)
    expect(existsSync(join(dir, "model.safetensors.partial"))).toBe(false)
    hub.stop()
  })

  test("names that lead elsewhere are not taken from the hub", async () => {
    const hub = startHub({
      extra: [
        { path: "../evil.safetensors", size: 1 },
        { path: "sub/dir.safetensors", size: 1 },
        { path: "consolidated.safetensors", size: 1 },
      ],
    })
    await download(hub.endpoint)
    expect(readdirSync(dir).sort()).toEqual(["config.json", "model.safetensors"])
    hub.stop()
  })

  test("without a network one line names the local alternative", async () => {
    const hub = startHub()
    hub.stop()
    const error = await download(hub.endpoint).catch((failure: Error) => failure)
    expect((error as Error).message).toMatch(/^org\/name: the hub cannot be reached .*--model <directory>$/)
  })

  test("a model that the hub does not have is named", async () => {
    const hub = startHub()
    expect(download(hub.endpoint, "org/other")).rejects.toThrow("no such model")
    hub.stop()
  })

  test("a hub name is two plain words", () => {
    expect(["a/b", "allenai/OLMoE-1B-7B-0924-Instruct", "../b", "a", "/a/b", "a/b/c", "./a"].map(isHubName)).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
      false,
    ])
  })
})
