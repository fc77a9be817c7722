import { runnableBackends, type Suite } from "@consilium/benchmarks"
import { expect, test } from "bun:test"
import { parseCommand } from "./parseCommand.ts"

const suite = (name: string, change: Partial<Suite> = {}): Suite => ({
  name,
  question: `How fast is ${name}?`,
  takes: [],
  compares: false,
  flags: [],
  plot: "bars",
  async *run() {},
  ...change,
})
const engine = suite("engine", {
  takes: ["model", "format", "backend"],
  flags: [{ name: "peers", value: "<list>", purpose: "who runs beside us" }],
  variant: ({ flags }) => (flags.peers === undefined ? "alone" : "peers"),
})
const layer = suite("layer", { takes: ["format", "backend"], compares: true })
const start = suite("start")
const serve = suite("serve", {
  takes: ["model", "format", "backend"],
  flags: [{ name: "url", value: "<url>", purpose: "whom to load" }],
  isForeign: ({ url }) => url !== undefined,
})
const SUITES = [engine, layer, start, serve]

const parse = (...args: string[]): ReturnType<typeof parseCommand> => parseCommand(args, SUITES, "/repository")
const recordName = (...args: string[]): string | undefined => {
  const command = parse(...args)
  return command.kind === "suite" ? command.recordName : undefined
}

test("parseCommand: records of another model, format, backend, thread count or variant have another name", () => {
  expect(recordName("engine")).toBe(`engine-consilium-mini-alone-int8-${runnableBackends()[0]}`)
  expect(recordName("engine", "--model", "/models/OLMoE 1B", "--format", "int4", "--backend", "reference")).toBe(
    "engine-olmoe-1b-alone-int4-reference",
  )
  expect(recordName("engine", "--threads", "1", "--peers", "x")).toBe(
    `engine-consilium-mini-peers-int8-${runnableBackends()[0]}-1t`,
  )
})

test("parseCommand: a suite that compares takes all, and a part of it has another name", () => {
  const all = parse("layer")
  expect(all).toMatchObject({ options: { formats: ["f32", "int8", "int4"] }, recordName: "layer" })
  const some = parse("layer", "--format", "int4")
  expect(some).toMatchObject({ options: { formats: ["int4"] }, recordName: "layer-int4" })
})

test("parseCommand: the backend of a GPU is for suites that run there, and never taken unless it is asked for", () => {
  const onGpu = suite("engine", { takes: ["backend"], runsOnGpu: true })
  const command = parseCommand(["engine", "--backend", "gpu"], [onGpu], "/repository")
  expect(command).toMatchObject({ recordName: "engine-gpu", options: { backend: "gpu" } })
  expect(parseCommand(["engine"], [onGpu], "/repository")).toMatchObject({
    options: { backend: runnableBackends()[0] },
  })
  expect(() => parse("layer", "--backend", "gpu")).toThrow("--backend gpu: expected one of x64, onnx, reference")
})

test("parseCommand: someone else's service has no model, format or backend of ours", () => {
  expect(recordName("serve")).toContain("serve-consilium-mini-int8")
  expect(recordName("serve", "--url", "http://127.0.0.1:1")).toBe("serve")
  expect(() => parse("serve", "--url", "http://127.0.0.1:1", "--format", "int4")).toThrow(
    "--format int4: expected none",
  )
})

test("parseCommand: an unknown suite is answered with those there are", () => {
  expect(() => parse("layers")).toThrow(
    "there is no suite layers: expected one of engine, layer, start, serve, figures, readme",
  )
})

test("parseCommand: an option that the suite does not take, or a value that it cannot be, is explained", () => {
  expect(() => parse("start", "--model", "x")).toThrow("start takes --threads")
  expect(() => parse("engine", "--fromat", "int4")).toThrow(
    "engine takes --model, --format, --backend, --threads, --peers",
  )
  expect(() => parse("engine", "--format", "int2")).toThrow("--format int2: expected one of f32, int8, int4")
  expect(() => parse("engine", "--threads", "0")).toThrow("--threads 0: expected a positive whole number")
  expect(() => parse("engine", "more")).toThrow("engine takes")
  expect(() => parse("figures", "--machine", "x")).toThrow("figures takes no options")
})

test("parseCommand: help lists every suite, and a suite's help its own flags", () => {
  const helpOf = (...args: string[]): string => {
    const command = parse(...args)
    return command.kind === "help" ? command.text : ""
  }
  for (const help of [helpOf(), helpOf("--help")]) {
    for (const { name, question } of SUITES) expect(help).toContain(`${name.padEnd(10)} ${question}`)
  }
  expect(helpOf("engine", "--help")).toContain("--peers <list>")
  expect(helpOf("start", "--help")).not.toContain("--model")
})
