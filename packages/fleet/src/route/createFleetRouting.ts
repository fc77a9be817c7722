import type { ExpertConfig } from "../config/FleetConfig.ts"
import type { RequestRouter, RoutedRequest, RouterFile } from "../router/RequestRouter.ts"
import { type BaseScores, createBaseStage } from "./createBaseStage.ts"
import { createFleetRouter, type FleetRouter, type RouterKind } from "./createFleetRouter.ts"
import { createStrongShare, type StrongShare } from "./createStrongShare.ts"

/** What chooses among a fleet's experts: replaced as a whole, so that a request that has begun goes on with its own. */
export interface FleetRouting {
  readonly router: FleetRouter
  readonly baseStage: (request: RoutedRequest) => BaseScores
  /** It knows margins of this router only. */
  readonly strongShare: StrongShare
  readonly routingSinceMs: number
}

/** A fleet's router as operators see it. */
export interface RouterReport extends Partial<RouterFile> {
  readonly kind: RouterKind
  /** When it began to choose, in ms since 1970. */
  readonly sinceMs: number
  /** How many times feedback has moved it. */
  readonly numTaught: number
}

/** @param given a trained router, or any other; words decide where there is none */
export function createFleetRouting(
  experts: readonly ExpertConfig[],
  given: RequestRouter | undefined,
  nowMs: number,
): FleetRouting {
  const router = createFleetRouter(experts, given)
  return {
    router,
    baseStage: createBaseStage({ experts }, router.chooser),
    strongShare: createStrongShare(),
    routingSinceMs: nowMs,
  }
}

export function reportRouting({ router, routingSinceMs }: FleetRouting): RouterReport {
  return { kind: router.kind, ...router.file, sinceMs: routingSinceMs, numTaught: router.numTaught() }
}
