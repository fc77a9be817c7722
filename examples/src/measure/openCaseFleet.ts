import { activeParameters, expertBytesPerToken, shapeOfModel } from "@consilium/cost"
import { Fleet, type FleetApi, type LocalModel, parseFleet } from "@consilium/fleet"
import { inspectModel } from "@consilium/model"
import type { ModelText } from "@consilium/serving"
import { Effect, ManagedRuntime } from "effect"
import { readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import type { Contender } from "./Contender.ts"
import { endless, engineOptions, MINI_DIR, SLOTS_PER_EXPERT } from "./engineStart.ts"
import { autoRequest } from "./plainRequest.ts"

/** A case's experts, each an engine of the embedded model, behind the router. */
export interface CaseFleet extends Contender {
  readonly fleet: FleetApi
  readonly experts: readonly string[]
}

/** There are more engines than cores, and mostly one of them answers: each works alone. */
const THREADS = 1
/** Between two looks at an engine that wakes: nothing says when it is ready anew. */
const LOOK_MS = 5

/**
 * Opens the fleet of a case's `consilium.toml`; its experts are awake when this returns.
 *
 * @param preparedDir of the embedded model
 */
export async function openCaseFleet(tomlPath: string, preparedDir: string, text: ModelText): Promise<CaseFleet> {
  const config = parseFleet((Bun.TOML.parse(readFileSync(tomlPath, "utf8")) as { fleet: unknown }).fleet, tomlPath)
  const experts = config.experts.map(({ name }) => name)
  const inspected = inspectModel(MINI_DIR)
  const shape = shapeOfModel(
    inspected,
    inspected.packings.find(({ format }) => format === "int8")!,
  )
  const locals = experts.map((name) => localModel(name, preparedDir, text, expertBytesPerToken(shape)))
  const memoryBytes = locals.reduce((sum, { options }) => sum + options.start.memoryBytes, 0)
  const runtime = ManagedRuntime.make(Fleet.layer({ config, locals, memoryBytes, keys: {} }))
  try {
    const fleet = await runtime.runPromise(Fleet.use(Effect.succeed))
    await wakeAll(fleet, experts)
    const sampling = endless(text)
    return {
      fleet,
      experts,
      numParameters: experts.length * inspected.numParameters,
      numActiveParameters: activeParameters(shape),
      async answer(messages, numTokens) {
        const began = performance.now()
        const { report } = await Effect.runPromise(fleet.answer(autoRequest(messages, numTokens, sampling), () => {}))
        return { ms: performance.now() - began, generatedTokens: report.cost.generatedTokens }
      },
      close: () => runtime.dispose(),
    }
  } catch (error) {
    await runtime.dispose()
    throw error
  }
}

function localModel(name: string, preparedDir: string, text: ModelText, bytesPerToken: number): LocalModel {
  const dirs = { sourceDir: MINI_DIR, preparedDir }
  const options = engineOptions(name, dirs, { numThreads: THREADS, numSlots: SLOTS_PER_EXPERT })
  return { name, text, options, expertBytesPerToken: bytesPerToken }
}

/** Wakes experts, and waits until they could answer. @throws Error where one fails */
export async function wakeAll({ locals }: FleetApi, experts: readonly string[]): Promise<void> {
  for (const name of experts) await Effect.runPromise(locals.wakeEarly(name))
  for (const name of experts) {
    const engine = locals.engineOf(name)
    for (;;) {
      const state = await Effect.runPromise(engine.state)
      if (state.phase === "ready") break
      if (state.phase === "failed") throw new Error(`expert ${name}: ${state.message}`)
      await sleep(LOOK_MS)
    }
  }
}
