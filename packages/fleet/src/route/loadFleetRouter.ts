import type { ExpertConfig, FleetConfig } from "../config/FleetConfig.ts"
import { TableError } from "../config/TableReader.ts"
import { describeEmbedder, type EmbedderMark, isSameEmbedder } from "../router/embed/Embedder.ts"
import { loadRouter } from "../router/file/decodeRouter.ts"
import type { LearnedRouter } from "../router/learned/createLearnedRouter.ts"

/**
 * Reads the router that a fleet's table names, and makes sure that it was trained for its experts; undefined where the table names none.
 *
 * @param embedder that embeds this fleet's requests; undefined for none
 * @throws RouterError on a file that is no router
 * @throws TableError on one that this fleet cannot ask
 */
export function loadFleetRouter(
  { router: path, experts }: FleetConfig,
  embedder?: EmbedderMark,
): LearnedRouter | undefined {
  if (path === undefined) return undefined
  const router = loadRouter(path)
  const fail = (expected: string, found: string): never => {
    throw new TableError(`fleet.router: ${path}: expected ${expected}, found ${found}`)
  }
  checkEmbedder(router, embedder, fail)
  const answering = experts.filter(({ kind }) => kind !== "onnx")
  if (router.weights.tradeOff !== undefined) checkRoles(answering, router.experts, fail)
  const unknown = router.experts.find((name) => answering.every((expert) => expert.name !== name))
  if (unknown !== undefined)
    fail(
      `a router of ${answering.map(({ name }) => name).join(", ")}`,
      `one that knows ${JSON.stringify(unknown)}: train it anew`,
    )
  return router
}

/** Vectors of another model, or of another version of it, mean something else to it. */
function checkEmbedder(
  { weights: { embedder: wanted, embeddingSize } }: LearnedRouter,
  found: EmbedderMark | undefined,
  fail: (expected: string, found: string) => never,
): void {
  if (embeddingSize === 0) return
  if (wanted === undefined)
    return fail("a router that says whose embeddings it wants", "one that does not: train it anew")
  if (found === undefined)
    return fail(
      `the embedder ${describeEmbedder(wanted)} in [fleet.embedder]`,
      "none: set it up, or train the router anew",
    )
  if (!isSameEmbedder(wanted, found))
    fail(
      `the embedder ${describeEmbedder(wanted)} in [fleet.embedder]`,
      `${describeEmbedder(found)}: set up that one, or train the router anew`,
    )
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
  const name = `${JSON.stringify(known[roles.indexOf(wrong)])}: train it anew`
  fail(`a router whose ${wrong} expert is one of the role "${wrong}"`, name)
}
