import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { installPeers, parsePeers, peerBuild, peersDir, peerVersion } from "./installPeers.ts"

const root = join(import.meta.dir, "../../..")
const workDir = mkdtempSync(join(tmpdir(), "consilium-peers-"))
afterAll(() => rmSync(workDir, { recursive: true, force: true }))

test("parsePeers: names what there is", () => {
  expect([parsePeers(undefined), parsePeers("node-llama-cpp")]).toEqual([[], ["node-llama-cpp"]])
  expect(() => parsePeers("ollama")).toThrow("--peers ollama: expected one of node-llama-cpp")
})

test("peerBuild: the peer runs where our backend does", () => {
  expect([peerBuild("x64"), peerBuild("onnx"), peerBuild("gpu")]).toEqual(["cpu", "cpu", "vulkan"])
})

test.each([
  ["cpu", "benchmarks/peers"],
  ["vulkan", "benchmarks/peers/vulkan"],
] as const)(
  "installPeers: where the %s build cannot be installed, the reason has the command that would",
  (build, folder) => {
    const lines: string[] = []
    const reason = installPeers(workDir, build, (line) => lines.push(line))
    expect(reason).toContain(`npx bun@1.4.5 install --cwd ${folder} --frozen-lockfile`)
    expect(lines.length).toBe(1)
  },
)

test.each(["cpu", "vulkan"] as const)(
  "benchmarks/peers: the %s build has an exact version, and no other build comes with it",
  (build) => {
    expect(peerVersion(root, build)).toMatch(/^\d+\.\d+\.\d+$/)
    const manifest = readFileSync(join(peersDir(root, build), "package.json"), "utf8")
    const { dependencies } = JSON.parse(manifest) as { dependencies: Record<string, string> }
    const binary = `@node-llama-cpp/linux-x64${build === "cpu" ? "" : "-vulkan"}`
    expect(dependencies).toEqual({ "node-llama-cpp": peerVersion(root, build), [binary]: peerVersion(root, build) })
    expect(readFileSync(join(peersDir(root, build), "bunfig.toml"), "utf8")).toContain("optional = false")
  },
)

test("benchmarks/peers: they are in no workspace", () => {
  const { workspaces } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    workspaces: { packages: string[] }
  }
  expect(workspaces.packages).toContain("benchmarks")
  expect(workspaces.packages.filter((place) => /peers|^benchmarks\/|^\*/.test(place))).toEqual([])
})
