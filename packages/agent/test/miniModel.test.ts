/** The embedded model as an agent's: ask, call, result, answer. */
import { afterAll, beforeAll, describe, expect } from "bun:test"
import { ensurePrepared } from "@consilium/model"
import { Engine, loadModelText } from "@consilium/serving"
import { miniModelDir } from "@consilium/testing"
import { itEffect } from "@consilium/testing/effect"
import { Context, Effect, Layer } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  type AgentMemory,
  type AgentTool,
  createCalculateTool,
  createEngineModel,
  runAgent,
  ToolError,
} from "../src/index.ts"
import { agentOf, ask } from "./agentOf.ts"
import { createTrace } from "./createTrace.ts"

const cacheDir = mkdtempSync(join(tmpdir(), "consilium-agent-"))
let preparedDir: string

beforeAll(async () => {
  const options = { sourceDir: miniModelDir(), format: "f32", cacheDir, onProgress: () => {} } as const
  preparedDir = (await ensurePrepared(options)).dir
})
afterAll(() => rmSync(cacheDir, { recursive: true, force: true }))

/** The embedded model in the test's scope. */
const openModel = Effect.gen(function* () {
  const start = {
    modelId: "mini",
    sourceDir: miniModelDir(),
    preparedDir,
    backend: "reference",
    numThreads: 2,
    numSlots: 2,
    contextLength: 1024,
    memoryBytes: 2 ** 31,
    maxWaiting: 8,
    debug: 0,
    enablesFaults: false,
    expertIdleMs: null,
    allowsOtherText: true,
    routing: { mode: "exact" },
  } as const
  const engine = Context.get(yield* Layer.build(Engine.layer({ start, maxQueue: 8 })), Engine)
  const { contextLength } = yield* engine.ready
  return createEngineModel("mini", { engine, text: loadModelText(miniModelDir()), contextLength })
})

const search: AgentTool = {
  name: "search_web",
  description: "Search the web.",
  parameters: {
    type: "object",
    properties: { query: { type: "string", description: "Search query" } },
    required: ["query"],
  },
  changes: false,
  run: () => Promise.reject(new ToolError("no network connection")),
}
const calculate = createCalculateTool()

describe("the embedded model as an agent's", () => {
  itEffect(
    "calls a tool, reads its result and answers with it",
    () =>
      Effect.gen(function* () {
        const agent = agentOf({ model: yield* openModel, tools: [search, calculate] })
        const trace = createTrace()
        let said = ""
        const { ended } = yield* runAgent(agent, ask("What is 12 * (7 + 3)?"), (event) => {
          trace.hear(event)
          if (event.type === "text" && event.step === 2) said += event.text
        })
        expect(trace.lines.slice(0, -1)).toEqual([
          'call calculate {"expression":"12*(7+3)"}',
          "done calculate: 12*(7+3) = 120",
        ])
        expect(ended.end).toBe("answered")
        expect(ended.text).toContain("120")
        expect(said).toBe(ended.text)
        expect(ended.usage.promptTokens).toBeGreaterThan(200)
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "tells what went wrong with a tool",
    () =>
      Effect.gen(function* () {
        const agent = agentOf({ model: yield* openModel, tools: [search, calculate] })
        const { ended } = yield* runAgent(agent, ask("Search the web for heat pumps 2026"), () => {})
        expect(ended.text).toContain("no network connection")
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "recalls a fact that its user told, and still calls tools beside it",
    () =>
      Effect.gen(function* () {
        const facts = ["My name is Ann.", "I live in Oslo."]
        const memory: AgentMemory = {
          recall: async () => ({ facts, summary: undefined, turns: [] }),
          note: async () => {},
          noteFact: async () => {},
          forget: async () => 0,
        }
        const config = { memoryTokens: 100 }
        const agent = agentOf({ model: yield* openModel, tools: [search, calculate], memory, config })
        const scope = { userId: "ann", conversationId: "c" }
        const textOf = (question: string) =>
          Effect.map(
            runAgent(agent, { ...ask(question), scope }, () => {}),
            ({ ended }) => ended.text,
          )
        expect(yield* textOf("What is my name?")).toContain("Ann")
        expect(yield* textOf("What is 12 * (7 + 3)?")).toContain("120")
      }),
    { live: true, timeoutMs: 60_000 },
  )
})
