import { createAccounts, type LedgerEntry, parseBudgets } from "@consilium/cost"
import {
  type ChatMessage,
  type CompletionRequest,
  type EngineApi,
  EngineError,
  type GenerateEvent,
} from "@consilium/serving"
import { describe, expect, test } from "bun:test"
import { Effect } from "effect"
import { ApiError } from "./ApiError.ts"
import { createRequestCosts, type RequestBill } from "./RequestCosts.ts"

const PRICE = { inputUsdPerMillion: 1, cachedUsdPerMillion: 0.1, outputUsdPerMillion: 4 }
const account = { key: "k", agent: "writer", domain: "" }

const asked = (given: Partial<CompletionRequest> = {}): CompletionRequest => ({
  requestId: "r",
  prompt: { kind: "text", text: "Hello" },
  numChoices: 1,
  sampling: {} as CompletionRequest["sampling"],
  seed: undefined,
  maxTokens: undefined,
  stop: [],
  numTopLogProbs: undefined,
  trace: false,
  ...given,
})

/** Says three tokens after a prompt of ten, of which four were cached; then goes on as it is told. */
function service({ budget = "", end = Effect.succeed({} as never) as ReturnType<EngineApi["generate"]> } = {}) {
  const entries: LedgerEntry[] = []
  const ledger = { record: (entry: LedgerEntry) => void entries.push(entry), spend: () => [] }
  const generate: EngineApi["generate"] = ({ requestId }, onEvent) =>
    Effect.suspend(() => {
      onEvent({ type: "started", requestId, cachedTokens: 4, queueMs: 0, prefillMs: 0 })
      onEvent({ type: "tokens", requestId, tokens: [{ id: 1 }, { id: 2 }, { id: 3 }] })
      return end
    })
  const costs = createRequestCosts({ generate } as EngineApi, {
    accounts: createAccounts(ledger, budget === "" ? [] : parseBudgets(budget)!),
    price: PRICE,
    modelId: "m",
    numThreads: 2,
    numSlots: 4,
    expertBytesPerToken: 100,
  })
  const open = (requests = [asked()], contextLength = 1000): RequestBill =>
    costs.open({ requestId: "r", account, requests, contextLength })
  return { open, entries }
}

const run = ({ engine }: RequestBill, requestId: string): Promise<unknown> =>
  Effect.runPromise(Effect.result(engine.generate({ requestId, ids: Array(10).fill(1) } as never, () => {})))

describe("createRequestCosts", () => {
  test("records tokens, their price, and the bytes of the experts of what was computed", async () => {
    const { open, entries } = service()
    const bill = open()
    await run(bill, "r-0")
    bill.close("done")
    // 6 new prompt tokens, 4 cached, 3 generated: 8 positions went through the model, the last token did not.
    expect(bill.costUsd()).toBeCloseTo((6 + 0.4 + 12) / 1e6, 12)
    expect(entries).toMatchObject([
      {
        ...account,
        expert: "m",
        model: "m",
        requestId: "r",
        outcome: "done",
        promptTokens: 10,
        cachedTokens: 4,
        generatedTokens: 3,
        expertBytes: 800,
        price: PRICE,
        costUsd: bill.costUsd(),
      },
    ])
  })

  test("what the answer says it used counts, where it says so: tokens past a stop string do not", async () => {
    const { open, entries } = service()
    const bill = open()
    await run(bill, "r-0")
    bill.noteUsage(0, { promptTokens: 10, cachedTokens: 4, generatedTokens: 1, queueMs: 0, prefillMs: 0, decodeMs: 0 })
    bill.close("done")
    expect(entries[0]!.generatedTokens).toBe(1)
  })

  test("a prompt with several answers is paid once, its answers all", async () => {
    const { open, entries } = service()
    const bill = open([asked({ requestId: "a", numChoices: 2 }), asked({ requestId: "b" })])
    for (const id of ["a-0", "a-1", "b-0"]) await run(bill, id)
    bill.close("done")
    expect(entries).toMatchObject([{ promptTokens: 20, cachedTokens: 8, generatedTokens: 9 }])
  })

  test("a request that failed, or that its client left, pays what was computed; one that never began nothing", async () => {
    const failure = new EngineError({ code: "internal", message: "broken" })
    const { open, entries } = service({ end: Effect.fail(failure) })
    const begun = open()
    await run(begun, "r-0")
    begun.close("failed")
    open().close("cancelled")
    expect(
      entries.map(({ outcome, promptTokens, generatedTokens }) => [outcome, promptTokens, generatedTokens]),
    ).toEqual([
      ["failed", 10, 3],
      ["cancelled", 0, 0],
    ])
  })

  test("beyond the soft limit answers warn, beyond the hard one requests are refused with 402", async () => {
    // At most 517 prompt tokens at 1 and 100 generated at 4 a million: 0.000917.
    const { open, entries } = service({ budget: "key=0.0005,0.001/day" })
    const request = [asked({ maxTokens: 100 })]
    const bill = open(request)
    expect(bill.headers["x-consilium-budget"]).toContain("key k: 0.0000 USD spent and 0.0000 reserved of 0.0005 (soft)")
    try {
      open(request)
      expect.unreachable()
    } catch (error) {
      expect(error).toMatchObject({ status: 402, code: "budget_exceeded" })
      expect((error as ApiError).message).toContain("0.0009 reserved")
    }
    await run(bill, "r-0")
    bill.close("done")
    expect(open(request).headers).not.toEqual({})
    expect(entries.length).toBe(1)
  })

  test("a tool's answer is put aside for with its id, and the calls before it with theirs", () => {
    const reserved = (message: Partial<ChatMessage>): number => {
      const { open } = service({ budget: "key=0,1/day" })
      const messages: ChatMessage[] = [{ role: "tool", content: "", ...message }]
      const request = asked({ prompt: { kind: "chat", messages, tools: [] }, maxTokens: 1 })
      open([request], 1e6)
      return Number(/([\d.]+) reserved/.exec(open([request], 1e6).headers["x-consilium-budget"]!)![1])
    }
    const long = "x".repeat(10_000)
    const call = { id: "", name: "", arguments: "" }
    for (const message of [
      { toolCallId: long },
      { toolCalls: [{ ...call, id: long }] },
      { toolCalls: [{ ...call, arguments: long }] },
    ])
      expect(reserved(message) - reserved({})).toBeCloseTo(0.01, 3)
  })

  test("answers are told all that the engine says", async () => {
    const { open } = service()
    const heard: GenerateEvent["type"][] = []
    const { engine } = open()
    await Effect.runPromise(
      engine.generate({ requestId: "r-0", ids: [1] } as never, ({ type }) => void heard.push(type)),
    )
    expect(heard).toEqual(["started", "tokens"])
  })
})
