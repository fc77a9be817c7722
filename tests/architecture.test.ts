import { expect, test } from "bun:test"
import { Glob } from "bun"
import { readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"

const root = join(import.meta.dir, "..")

/** The packages, lowest first: each imports only from those before it. Apps come after all of them. */
const LAYERS = [
  "tensor",
  "kernels",
  "onnx",
  "gating",
  "experts",
  "scheduling",
  "gpu",
  "model",
  "serving",
  "cost",
  "fleet",
  "agent",
]
const WITH_EFFECT = ["serving", "fleet", "agent"]
const TESTING = "testing"

interface Import {
  /** Path from the repository's root. */
  readonly file: string
  /** Folder under packages/, or "apps", "benchmarks", "examples", "tests", "scripts". */
  readonly from: string
  readonly specifier: string
  readonly isTest: boolean
}

const sources = [...new Glob("{packages,apps,benchmarks,examples,tests,scripts}/**/*.ts").scanSync(root)]
  .filter((file) => !file.includes("node_modules/") && !file.includes("dist/"))
  .sort()

const imports: Import[] = sources.flatMap((file) => {
  const [top, name] = file.split("/") as [string, string]
  const isTest = /\.test\.ts$|\/test\/|^tests\//.test(file)
  const scan = new Bun.Transpiler({ loader: "ts" })
  const text = readFileSync(join(root, file), "utf8")
  // The transpiler drops type-only imports, which break a layer just as well: these are read from the text.
  const typeOnly = [...text.matchAll(/^(?:import|export) type [^"]*"([^"]+)"/gm)].map((match) => match[1]!)
  const specifiers = new Set([...scan.scanImports(text).map(({ path }) => path), ...typeOnly])
  return [...specifiers].map((specifier) => ({ file, from: top === "packages" ? name : top, specifier, isTest }))
})

function packageOf(specifier: string): string | undefined {
  return /^@consilium\/([^/]+)/.exec(specifier)?.[1]
}

test("architecture: every source file is read, and the walk sees the front page", () => {
  expect(sources).toContain("packages/experts/src/moeLayer.ts")
  expect(imports.some(({ from, specifier }) => from === "experts" && specifier === "@consilium/gating")).toBe(true)
})

test("architecture: a package imports only from the layers below it", () => {
  const upward = imports.filter(({ from, specifier, isTest }) => {
    const to = packageOf(specifier)
    if (to === undefined || to === from) return false
    if (to === "benchmarks") return from !== "apps" && from !== "examples"
    // Benchmarks inject faults too: a soak's peers are the tests' own.
    if (to === TESTING) return !isTest && from !== TESTING && from !== "benchmarks"
    if (from === TESTING) return to !== "tensor"
    const fromRank = LAYERS.indexOf(from)
    const toRank = LAYERS.indexOf(to)
    if (toRank < 0) return true
    return fromRank >= 0 && toRank > fromRank
  })
  expect(upward.map(({ file, specifier }) => `${file} imports ${specifier}`)).toEqual([])
})

test("architecture: every package has its place in the order", () => {
  const packages = [
    ...new Set(sources.filter((file) => file.startsWith("packages/")).map((file) => file.split("/")[1]!)),
  ]
  expect(packages.filter((name) => name !== TESTING && !LAYERS.includes(name))).toEqual([])
})

test("architecture: effect appears in serving, fleet, agent and the apps only", () => {
  const strays = imports.filter(({ from, specifier, isTest }) => {
    const isEffect = specifier === "effect" || specifier.startsWith("effect/") || specifier.startsWith("@effect/")
    const isAllowed = WITH_EFFECT.includes(from) || from === "apps" || from === "examples" || from === TESTING
    return isEffect && !isAllowed && !(isTest && from === "tests")
  })
  expect(strays.map(({ file, specifier }) => `${file} imports ${specifier}`)).toEqual([])
})

test("architecture: no package reaches into another by a relative path", () => {
  // Benchmarks are one package, and so are the examples; of the others each has a folder of its own.
  const packageFolder = (path: string): string =>
    path
      .split("/")
      .slice(0, /^(?:benchmarks|examples)\//.test(path) ? 1 : 2)
      .join("/")
  const reaching = imports.filter(({ file, specifier }) => {
    if (!specifier.startsWith(".") || file.startsWith("scripts/")) return false
    return packageFolder(relative(root, join(root, dirname(file), specifier))) !== packageFolder(file)
  })
  expect(reaching.map(({ file, specifier }) => `${file} imports ${specifier}`)).toEqual([])
})

test("architecture: there is no import cycle between files", () => {
  const edges = new Map<string, string[]>()
  for (const { file, specifier } of imports) {
    if (!specifier.startsWith(".")) continue
    const target = relative(root, join(root, dirname(file), specifier))
    edges.set(file, [...(edges.get(file) ?? []), target])
  }
  const state = new Map<string, "open" | "done">()
  const cycles: string[] = []
  const visit = (file: string, path: readonly string[]): void => {
    if (state.get(file) === "done") return
    if (state.get(file) === "open") {
      cycles.push([...path.slice(path.indexOf(file)), file].join(" → "))
      return
    }
    state.set(file, "open")
    for (const next of edges.get(file) ?? []) visit(next, [...path, file])
    state.set(file, "done")
  }
  for (const file of edges.keys()) visit(file, [])
  expect(cycles).toEqual([])
})
