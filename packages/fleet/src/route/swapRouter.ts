import { TableError } from "../config/TableReader.ts"
import type { FleetCore } from "../FleetCore.ts"
import { FleetError } from "../FleetError.ts"
import { RouterError } from "../router/RouterError.ts"
import { createFleetRouting, type FleetRouting, reportRouting, type RouterReport } from "./createFleetRouting.ts"
import { loadFleetRouter } from "./loadFleetRouter.ts"

/** What a new router came to, for operators. */
export interface RouterSwap {
  readonly router: RouterReport
  /** The one before, with the corrections that are forgotten with it. */
  readonly before: RouterReport
}

/**
 * Reads the configured router's file anew, checks all of it, and returns what to choose by from now on. `core` stays as it is.
 *
 * Feedback has moved the old weights; what it taught says nothing about others, and is not carried over.
 *
 * @throws FleetError on a fleet without such a file, and on one that is damaged or was trained for other experts
 */
export function swapRouter(
  core: FleetCore,
  nowMs: number,
): { readonly routing: FleetRouting; readonly swap: RouterSwap } {
  const routing = createFleetRouting(
    core.members.map(({ config }) => config),
    read(core),
    nowMs,
  )
  return { routing, swap: { router: reportRouting(routing), before: reportRouting(core) } }
}

function read({ config, embedder }: FleetCore): ReturnType<typeof loadFleetRouter> {
  if (config.router === undefined)
    throw refusal("The fleet has no trained router that could be replaced: name one in fleet.router, and start anew.")
  try {
    return loadFleetRouter(config, embedder?.mark)
  } catch (error) {
    if (error instanceof RouterError || error instanceof TableError)
      throw refusal(`The router stays as it was: ${error.message}.`)
    throw error
  }
}

const refusal = (message: string): FleetError => new FleetError({ code: "bad-request", message, attempts: [] })
