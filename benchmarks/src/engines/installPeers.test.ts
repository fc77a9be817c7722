import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { installPeers, parsePeers, peersDir, peerVersion } from "./installPeers.ts"

const root = join(import.meta.dir, "../../..")
const workDir = mkdtempSync(join(tmpdir(), "consilium-peers-"))
afterAll(() => rmSync(workDir, { recursive: true, force: true }))

test("parsePeers: names what there is", () => {
  expect([parsePeers(undefined), parsePeers("node-llama-cpp")]).toEqual([[], ["node-llama-cpp"]])
  expect(() => parsePeers("ollama")).toThrow("--peers ollama: expected one of node-llama-cpp")
})

test("installPeers: where they cannot be installed, the reason has the command that would", () => {
  const lines: string[] = []
  const reason = installPeers(workDir, (line) => lines.push(line))
  expect(reason).toContain("npx bun@1.4.5 install --cwd benchmarks/peers --frozen-lockfile")
  expect(lines.length).toBe(1)
})

test("benchmarks/peers: the peer's version is exact, in no workspace, and without GPU packages in its lockfile's reach", () => {
  expect(peerVersion(root)).toMatch(/^\d+\.\d+\.\d+$/)
  const { workspaces } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    workspaces: { packages: string[] }
  }
  expect(workspaces.packages).toContain("benchmarks")
  expect(workspaces.packages.filter((place) => /peers|^benchmarks\/|^\*/.test(place))).toEqual([])
  expect(readFileSync(join(peersDir(root), "bunfig.toml"), "utf8")).toContain("optional = false")
})
