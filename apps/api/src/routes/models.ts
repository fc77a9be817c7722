import { Elysia } from "elysia"
import { agentModel } from "../agents/agentModel.ts"
import { ApiError } from "../http/ApiError.ts"
import { decodePath } from "../http/decodePath.ts"
import type { ServiceDeps } from "../http/ServiceDeps.ts"

/** The one model that is served, by its id or as `default`, and the agents that it speaks for. */
export const models = ({ modelId, created, agentNames }: ServiceDeps) => {
  const modelOf = (id: string) => ({ id, object: "model", created, owned_by: "consilium" })
  const model = modelOf(modelId)
  const agents = agentNames.map((name) => modelOf(agentModel(name)))
  return new Elysia()
    .get("/v1/models", () => ({ object: "list", data: [model, ...agents] }))
    .get("/v1/models/*", ({ params }) => {
      const wanted = decodePath(params["*"])
      const agent = agents.find(({ id }) => id === wanted)
      if (agent !== undefined) return agent
      checkModel(wanted, modelId)
      return model
    })
}

/** @throws ApiError 404 unless `wanted` names the served model */
export function checkModel(wanted: string, modelId: string): void {
  if (wanted === modelId || wanted === "default") return
  throw new ApiError({
    status: 404,
    type: "invalid_request_error",
    code: "model_not_found",
    param: "model",
    message: `The model ${JSON.stringify(wanted)} is not served here; ${JSON.stringify(modelId)} is, also by the name "default".`,
  })
}
