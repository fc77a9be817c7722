import { loadRouter } from "@consilium/fleet"
import { afterAll, beforeAll, expect, test } from "bun:test"
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const MAIN = join(import.meta.dir, "../../main.ts")
const dir = mkdtempSync(join(tmpdir(), "consilium-fleet-"))

/** Runs the command line in a folder of its own. */
function run(...args: string[]) {
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, MAIN, "fleet", ...args], { cwd: dir })
  return { exitCode, out: stdout.toString(), error: stderr.toString() }
}

beforeAll(() => {
  const things = { cards: ["card", "visa", "pin"], loans: ["loan", "mortgage", "credit"] }
  const rows = Object.entries(things).flatMap(([desk, words]) =>
    words.flatMap((word) => Array.from({ length: 12 }, (_, i) => `"hello, my ${word} number ${i}",${desk}`)),
  )
  writeFileSync(join(dir, "desks.csv"), ["text,label", ...rows].join("\n"))
  const pairs = Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? `easy ${i},true,true` : `hard ${i},false,true`))
  writeFileSync(join(dir, "pairs.csv"), ["prompt,small,large", ...pairs].join("\n"))
})
afterAll(() => rmSync(dir, { recursive: true }))

test("fleet train: keeps a fifth out, judges by it, and writes a small file; fleet evaluate judges by the same rows", () => {
  const trained = run("train", "desks.csv", "--kind", "linear", "--svg", "desks.svg")
  expect(trained).toMatchObject({ exitCode: 0 })
  expect(trained.out).toContain("72 examples of 2 experts: 58 to learn from, 14 held out")
  const accuracy = /accuracy .*/.exec(trained.out)![0]
  expect(accuracy).toStartWith("accuracy 100.0 %")
  expect(statSync(join(dir, "desks.router")).size).toBeLessThan(100_000)
  expect(readFileSync(join(dir, "desks.svg"), "utf8")).toStartWith("<svg")

  const judged = run("evaluate", "desks.router", "desks.csv")
  expect(judged.out).toContain("58 rows that the router was trained on are left out")
  expect(judged.out).toContain(accuracy)
}, 60_000)

test("fleet train: learns from a cheap and a strong expert's results, and draws quality over cost", () => {
  const columns = ["--text", "prompt", "--cheap", "small", "--strong", "large"]
  const { exitCode, out } = run(
    "train",
    "pairs.csv",
    ...columns,
    "--kind",
    "linear",
    "--out",
    "p.router",
    "--svg",
    "p.svg",
  )
  expect(exitCode).toBe(0)
  expect(out).toContain("right: small 50.0 %, large 100.0 % of 40")
  expect(out).toMatch(/router +APGR 0\.7/)
  expect(out).toMatch(/random +APGR 0\.500/)
  expect(out).toMatch(/oracle +APGR 0\.7/)
  expect(readFileSync(join(dir, "p.svg"), "utf8")).toContain("requests for large")
}, 60_000)

test("fleet train: writes no file that could not be read again, and one of the largest seed can", () => {
  const longName = "l".repeat(300)
  const rows = Array.from({ length: 40 }, (_, i) => `hello ${i},${i % 2 === 0 ? longName : "cards"}`)
  writeFileSync(join(dir, "long.csv"), ["text,label", ...rows].join("\n"))
  const refused = run("train", "long.csv", "--kind", "linear")
  expect([refused.exitCode, existsSync(join(dir, "long.router"))]).toEqual([1, false])
  expect(refused.error).toContain("long.router: expected 2 experts or more by different names")
  expect(run("train", "desks.csv", "--kind", "linear", "--seed", "999999999", "--out", "s.router").exitCode).toBe(0)
  expect(run("evaluate", "s.router", "desks.csv").exitCode).toBe(0)
}, 60_000)

test("fleet train --embedder local: the router says whose embeddings it wants, and is judged by the same", () => {
  const args = ["--kind", "linear", "--cache-dir", dir]
  const trained = run("train", "desks.csv", ...args, "--embedder", "local", "--out", "e.router")
  expect(trained).toMatchObject({ exitCode: 0 })
  const { embedder } = loadRouter(join(dir, "e.router")).weights
  expect(embedder).toMatchObject({ kind: "local", model: "consilium-mini", task: "", size: 256 })
  const accuracy = /accuracy .*/.exec(trained.out)![0]
  expect(run("evaluate", "e.router", "desks.csv", "--cache-dir", dir).out).toContain(accuracy)

  writeFileSync(join(dir, "consilium.toml"), '[fleet.embedder]\nkind = "local"\ntask = "desk: "\n')
  try {
    const other = run("evaluate", "e.router", "desks.csv", "--cache-dir", dir)
    expect(other.error).toContain("in [fleet.embedder], found local consilium-mini (size 256, content ")
    expect(other.error).toContain('task "desk: ")')
    const remote = run("train", "desks.csv", ...args, "--embedder", "remote")
    expect(remote.error).toContain('fleet.embedder.kind: expected "local", as it says, found "remote"')
  } finally {
    rmSync(join(dir, "consilium.toml"))
  }
}, 60_000)

test("fleet: what cannot be is said in one line", () => {
  writeFileSync(join(dir, "bad.csv"), 'text,label\n"a,b\n')
  writeFileSync(join(dir, "other.csv"), "text,label\nmy dog,pets\nmy cat,loans\n")
  const failures: [string[], string][] = [
    [[], "expected train or evaluate, found nothing"],
    [["train"], "expected a file of examples, found none"],
    [["train", "none.csv"], "none.csv: expected a readable file of examples, found ENOENT"],
    [["train", "bad.csv"], "bad.csv: line 2: expected the quote that ends a field, found the file's end"],
    [["train", "desks.csv", "--label", "desk"], "desks.csv: expected a column desk, found text, label"],
    [["train", "desks.csv", "--kind", "deep"], "--kind: expected linear or mlp, found deep"],
    [["train", "desks.csv", "--cheap", "a"], "expected --cheap and --strong together, found one of them"],
    [["train", "desks.csv", "--embedder", "own"], "--embedder: expected local, onnx or remote, found own"],
    [["train", "desks.csv", "--embedder", "onnx"], "expected a table that says which model, for all kinds but local"],
    [["train", "desks.csv", "--seed", "x"], "--seed: expected a whole number, found x"],
    [["evaluate", "desks.csv", "desks.csv"], "desks.csv: expected a router's file, found something else"],
    [["evaluate", "desks.router", "other.csv"], "expected the router's experts (cards, loans), found pets"],
  ]
  for (const [args, expected] of failures) {
    const { exitCode, error } = run(...args)
    expect(exitCode, args.join(" ")).toBe(1)
    expect(error).toContain(expected)
    expect(error).not.toContain("    at ")
  }
}, 60_000)
