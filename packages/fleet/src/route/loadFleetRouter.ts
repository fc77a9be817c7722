import type { ExpertConfig, FleetConfig } from "../config/FleetConfig.ts"
import { TableError } from "../config/TableReader.ts"
import { loadRouter } from "../router/file/decodeRouter.ts"
import type { LearnedRouter } from "../router/learned/createLearnedRouter.ts"

/**
 * Reads the router that a fleet's table names, and makes sure that it was trained for its experts; undefined where the table names none.
 *
 * @throws RouterError on a file that is no router
 * @throws TableError on one that this fleet cannot ask
 */
export function loadFleetRouter({ router: path, experts }: FleetConfig): LearnedRouter | undefined {
  if (path === undefined) return undefined
  const router = loadRouter(path)
  const fail = (expected: string, found: string): never => {
    throw new TableError(`fleet.router: ${path}: expected ${expected}, found ${found}: train it anew`)
  }
  if (router.embeddingSize !== undefined)
    fail("a router that reads words, as consilium fleet train makes them", "one that wants an embedding")
  const answering = experts.filter(({ kind }) => kind !== "onnx")
  if (router.weights.tradeOff !== undefined) checkRoles(answering, router.experts, fail)
  const unknown = router.experts.find((name) => answering.every((expert) => expert.name !== name))
  if (unknown !== undefined)
    fail(`a router of ${answering.map(({ name }) => name).join(", ")}`, `one that knows ${JSON.stringify(unknown)}`)
  return router
}

/** A cost-quality router knows two experts: first the cheap one, then the strong one. */
function checkRoles(
  answering: readonly ExpertConfig[],
  known: readonly string[],
  fail: (expected: string, found: string) => never,
): void {
  const roles = ["cheap", "strong"] as const
  const wrong = roles.find((role, e) => answering.find(({ name }) => name === known[e])?.role !== role)
  if (wrong === undefined) return
  const name = JSON.stringify(known[roles.indexOf(wrong)])
  fail(`a router whose ${wrong} expert is one of the role "${wrong}"`, name)
}
