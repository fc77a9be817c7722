import { describe, expect, spyOn, test } from "bun:test"
import {
  type AgentEvent,
  type AgentMemory,
  type AgentModel,
  AgentModelError,
  createToolBox,
  openSqliteMemory,
  StoreError,
} from "@consilium/agent"
import { Effect, Exit, Fiber } from "effect"
import { configOf, scriptedModel, toolOf } from "../../test/fakeAgent.ts"
import type { AgentAsk, AgentService, ModelOfRun } from "./AgentService.ts"
import { type AgentServiceOptions, createAgentService } from "./createAgentService.ts"

const caller = { key: "k", domain: "bank" }

const ask = (content: string, rest: Partial<AgentAsk> = {}): AgentAsk => ({
  runId: "r",
  agent: "till",
  messages: [{ role: "user", content }],
  user: undefined,
  conversation: "monday",
  confirmed: [],
  isStream: false,
  caller,
  ...rest,
})

/** A till whose `pay` wants a person; `paid` has the arguments of its calls. */
function openTill(model: AgentModel | ModelOfRun, memory?: AgentServiceOptions["memory"]) {
  const paid: object[] = []
  const pay = toolOf(
    "pay",
    async (args) => {
      paid.push(args)
      return { text: "paid" }
    },
    true,
  )
  const agent = {
    config: configOf("till", ["pay"], memory === undefined ? 0 : 300),
    tools: createToolBox([pay]),
    settings: { model: "copy", contextLength: 2048 },
    ...(memory === undefined ? {} : { memory }),
  }
  const modelOf: ModelOfRun = typeof model === "function" ? model : () => Effect.succeed(model)
  return { service: createAgentService({ agents: [agent], memory, modelOf, nowMs: () => 0 }), paid }
}

const PAYS = { calls: [["pay", '{"usd": 5}']] } as const
const down = new AgentModelError({ message: "nobody answers", cause: undefined })

async function runs(service: AgentService, asked = ask("Pay 5")) {
  const events: AgentEvent[] = []
  const outcome = await Effect.runPromise(service.run(asked, (event) => events.push(event)))
  return { ...outcome, events }
}

const decide = (service: AgentService, calls: Record<string, boolean>, rest: object = {}) =>
  Effect.runPromiseExit(service.decide({ runId: "r", agent: "till", calls, key: "k", ...rest }, () => {}))

describe("createAgentService", () => {
  test("runs an agent with the model that its settings name, for its caller", async () => {
    const wanted: Parameters<ModelOfRun>[0][] = []
    const { service } = openTill((run) => {
      wanted.push(run)
      return Effect.succeed(scriptedModel("Good day."))
    })
    const { ended, events } = await runs(service, ask("Hi", { isStream: true }))
    expect(ended).toMatchObject({ end: "answered", text: "Good day." })
    expect(events.map(({ type }) => type)).toEqual(["started", "text", "step", "ended"])
    expect(wanted).toMatchObject([
      { runId: "r", agent: "till", model: "copy", contextLength: 2048, caller, isStream: true },
    ])
  })

  test("an agent that is not there is named, with those that are", async () => {
    const { service } = openTill(scriptedModel())
    const unknown = await Effect.runPromise(Effect.flip(service.run(ask("Hi", { agent: "desk" }), () => {})))
    expect(unknown).toMatchObject({
      status: 404,
      code: "agent_not_found",
      message: 'There is no agent "desk" here: expected one of "till".',
    })
  })

  test("goes on when a person confirmed, and calls once", async () => {
    const { service, paid } = openTill(scriptedModel(PAYS, "Paid."))
    expect((await runs(service)).ended.end).toBe("confirmation")
    expect(paid).toEqual([])
    const [done, again] = await Promise.all([decide(service, { c0: true }), decide(service, { c0: true })])
    expect(Exit.isSuccess(done!) && done.value.ended).toMatchObject({ end: "answered", text: "Paid." })
    expect(JSON.stringify(again)).toContain("run_not_found")
    expect(paid).toEqual([{ usd: 5 }])
  })

  test("goes on in the domain that it began in: budgets by domain hold for both halves", async () => {
    const domains: string[] = []
    const model = scriptedModel(PAYS, "Paid.")
    const { service } = openTill((run) => {
      domains.push(run.caller.domain)
      return Effect.succeed(model)
    })
    await runs(service)
    expect(Exit.isSuccess(await decide(service, { c0: true }))).toBe(true)
    expect(domains).toEqual(["bank", "bank"])
  })

  test("a call that does not wait, another key and another agent leave the run waiting", async () => {
    const { service, paid } = openTill(scriptedModel(PAYS, "Paid."))
    await runs(service)
    const stray = { runId: "r", agent: "till", calls: { c0: true, c9: true }, key: "k" }
    expect(await Effect.runPromise(Effect.flip(service.decide(stray, () => {})))).toMatchObject({
      status: 400,
      param: "calls",
      message: 'calls: expected ids of calls that wait (c0), found "c9".',
    })
    for (const rest of [{ key: "other" }, { agent: "desk" }, { runId: "q" }])
      expect(JSON.stringify(await decide(service, { c0: true }, rest))).toContain("run_not_found")
    expect(paid).toEqual([])
    expect(Exit.isSuccess(await decide(service, { c0: true }))).toBe(true)
  })

  test("refused or undecided calls do not run", async () => {
    const two = { calls: [...PAYS.calls, ["pay", '{"usd": 7}']] } as const
    const { service, paid } = openTill(scriptedModel(two, "Neither."))
    await runs(service)
    const refused = await decide(service, { c0: false })
    expect(Exit.isSuccess(refused) && refused.value.ended.end).toBe("confirmation")
    await decide(service, { c1: false })
    expect(paid).toEqual([])
  })

  test.each([
    ["fails", () => Effect.fail(down)],
    ["has a bug", () => Effect.die(new Error("a bug"))],
  ])("a run waits on where finding its model %s: nothing was called yet", async (_, wrong) => {
    const model = scriptedModel(PAYS, "Paid.")
    let isWrong = false
    const { service, paid } = openTill(() => (isWrong ? wrong() : Effect.succeed(model)))
    await runs(service)
    isWrong = true
    expect(Exit.isFailure(await decide(service, { c0: true }))).toBe(true)
    expect(paid).toEqual([])
    isWrong = false
    expect(Exit.isSuccess(await decide(service, { c0: true }))).toBe(true)
    expect(paid).toHaveLength(1)
  })

  test("a run waits on where its client leaves before its model is there", async () => {
    const model = scriptedModel(PAYS, "Paid.")
    let isSlow = false
    const { service, paid } = openTill(() => (isSlow ? Effect.never : Effect.succeed(model)))
    await runs(service)
    isSlow = true
    const deciding = Effect.runFork(
      service.decide({ runId: "r", agent: "till", calls: { c0: true }, key: "k" }, () => {}),
    )
    await Effect.runPromise(Fiber.interrupt(deciding))
    isSlow = false
    expect(Exit.isSuccess(await decide(service, { c0: true }))).toBe(true)
    expect(paid).toHaveLength(1)
  })

  test("a run whose model fails after the call is over: going on again would call twice", async () => {
    const { service, paid } = openTill(scriptedModel(PAYS, down))
    await runs(service)
    expect(JSON.stringify(await decide(service, { c0: true }))).toContain("AgentModelError")
    expect(JSON.stringify(await decide(service, { c0: true }))).toContain("run_not_found")
    expect(paid).toHaveLength(1)
  })

  test("what a user of one key told is neither told nor forgotten for another's", async () => {
    const memory = openSqliteMemory(":memory:")
    const { service } = openTill(scriptedModel("Hello.", "Ok.", "Ok.", "Ok.", "Ok."), memory)
    const told = ask("My name is Anna.", { user: "anna" })
    await runs(service, told)
    const recalled = async (key: string) => {
      const asked = ask("What is my name?", { user: "anna", conversation: "tuesday", caller: { key, domain: "" } })
      return JSON.stringify((await runs(service, asked)).events.filter(({ type }) => type === "recalled"))
    }
    expect(await recalled("k")).toContain("My name is Anna.")
    expect(await recalled("other")).not.toContain("Anna.")
    expect(await service.forget("other", "nobody")).toBe(0)
    expect(await service.forget("other", "anna")).toBeGreaterThan(0)
    expect(await recalled("k")).toContain("My name is Anna.")
    expect(await service.forget("k", "anna")).toBeGreaterThan(0)
    expect(await recalled("k")).not.toContain("My name is Anna.")
    memory.close()
  })

  describe("whose memory fails", () => {
    const broken = new StoreError({
      message: "/srv/memory.sqlite: expected a memory file, found it damaged",
      cause: undefined,
    })
    const fail = (): Promise<never> => Promise.reject(broken)
    const memory: AgentMemory = { recall: fail, note: fail, noteFact: fail, forget: fail }

    test("answers all the same, and tells operators on standard error", async () => {
      const [said, told] = [spyOn(console, "log"), spyOn(console, "error")]
      said.mockImplementation(() => {})
      told.mockImplementation(() => {})
      const { ended } = await runs(openTill(scriptedModel("Hello."), memory).service, ask("Hi", { user: "anna" }))
      const lines = told.mock.calls.map((words) => Bun.inspect(words))
      expect(said).not.toHaveBeenCalled()
      said.mockRestore()
      told.mockRestore()
      expect(ended.text).toBe("Hello.")
      expect(lines).toEqual([
        expect.stringContaining("agent till: nothing is recalled"),
        expect.stringContaining("agent till: a turn is not remembered"),
      ])
    })

    test("says that not all is forgotten: clients without the path, operators with it", async () => {
      const told = spyOn(console, "error").mockImplementation(() => {})
      const failed = openTill(scriptedModel(), memory).service.forget("k", "anna")
      expect(await failed.catch((error: unknown) => error)).toMatchObject({
        status: 503,
        code: "memory_unavailable",
        message:
          "What is remembered of this user could not be removed entirely: ask again. The service's log says why.",
      })
      const lines = told.mock.calls
      told.mockRestore()
      expect(lines).toEqual([[`a user is not forgotten: ${broken.message}`]])
    })
  })

  test("nothing is forgotten where nothing is remembered", async () => {
    expect(await openTill(scriptedModel()).service.forget("k", "anna")).toBe(0)
  })
})
