import { type ControlCommand, type EngineApi, EngineError } from "@consilium/serving"
import { miniModelDir } from "@consilium/testing"
import { itEffect } from "@consilium/testing/effect"
import { Effect } from "effect"
import { afterAll, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { SettingError } from "../settings/SettingError.ts"
import { followPlan, openAutoscaler } from "./autoscale.ts"

const workDir = mkdtempSync(join(tmpdir(), "consilium-calendar-"))
afterAll(() => rmSync(workDir, { recursive: true, force: true }))

/** Writes a calendar with one event that lasts all day; returns its path. */
function calendarOf(name: string, experts: readonly object[]): string {
  const path = join(workDir, `${name}.json`)
  const event = { name: "sales day", on: "daily", at: "00:00", minutes: 1440, factor: 2, experts }
  writeFileSync(path, JSON.stringify({ timeZone: "UTC", events: [event] }))
  return path
}

/** An engine that reports two experts of layer 1, and writes down what it is asked. */
function engineIn(phase: "ready" | "asleep") {
  const asked: (ControlCommand | "rouse")[] = []
  const report = { state: "asleep", bytes: 0, replicas: 0, version: "original", load: 0, usedMs: 0 } as const
  const control = (command: ControlCommand) => {
    if (phase === "asleep") return Effect.fail(new EngineError({ code: "not-ready", message: "the model is asleep" }))
    asked.push(command)
    if (command.kind !== "experts") return Effect.succeed({ kind: "done" })
    const experts = [0, 1].map((expert) => ({ ...report, layer: 1, expert, shareOfTokens: 0, numFailures: 0 }))
    return Effect.succeed({ kind: "experts", experts })
  }
  const rouse = Effect.sync(() => void asked.push("rouse"))
  return { asked, engine: { control, rouse } as unknown as EngineApi }
}

describe("openAutoscaler", () => {
  test("a calendar that names an expert or a layer that the model does not have is refused", () => {
    const open = (layer: number, expert: number) => () =>
      openAutoscaler(calendarOf("named", [{ layer, expertIds: [expert] }]), miniModelDir())
    expect(open(5, 7)).not.toThrow()
    expect(open(5, 8)).toThrow(/calendar: .*named\.json: events\[0\]\.experts\[0\]\.expertIds: .*0 to 7, found 8/)
    expect(open(6, 0)).toThrow(/events\[0\]\.experts\[0\]\.layer: expected a layer of the model that has experts/)
    expect(open(6, 0)).toThrow(SettingError)
  })

  test("a file that is no calendar is named", () => {
    expect(() => openAutoscaler(join(workDir, "none.json"), miniModelDir())).toThrow(/calendar: .*none\.json/)
  })
})

describe("followPlan", () => {
  const open = (): ReturnType<typeof openAutoscaler> =>
    openAutoscaler(calendarOf("plan", [{ layer: 1, expertIds: [1] }]), miniModelDir())

  itEffect("asks for experts by name, and never for another limit than the operator's", () =>
    Effect.gen(function* () {
      const { asked, engine } = engineIn("ready")
      yield* followPlan(engine, open())
      const layers = [{ layer: 1, awake: [1, 0], numNamed: 1, twice: [] }]
      expect(asked).toEqual([{ kind: "experts" }, "rouse", { kind: "keep", layers }])
    }),
  )

  itEffect("a model that sleeps is woken for an event, and only for one", () =>
    Effect.gen(function* () {
      const { asked, engine } = engineIn("asleep")
      yield* followPlan(engine, open())
      expect(asked).toEqual(["rouse"])
      const nothing = join(workDir, "nothing.json")
      writeFileSync(nothing, JSON.stringify({ timeZone: "UTC", events: [] }))
      yield* followPlan(engine, openAutoscaler(nothing, miniModelDir()))
      expect(asked).toEqual(["rouse"])
    }),
  )
})
