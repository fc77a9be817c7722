import { createAnswerMemory } from "./answer/AnswerMemory.ts"
import { type FleetCore, type Member, placeOf } from "./FleetCore.ts"
import type { FleetExpert } from "./FleetExpert.ts"
import type { FleetOptions } from "./FleetOptions.ts"
import { createFleetHealth } from "./health/FleetHealth.ts"
import { createLocalExpert } from "./local/createLocalExpert.ts"
import type { LocalEngines, LocalModel } from "./local/LocalEngines.ts"
import { createRemoteExpert } from "./remote/createRemoteExpert.ts"
import { createRequestEmbedder } from "./route/createRequestEmbedder.ts"
import { createFleetRouting } from "./route/createFleetRouting.ts"

/** How long a request waits for its embedding, where no table says it. */
const EMBEDDING_MS = 1000

/** Opens what the stages of a request work with. */
export function createCore(
  { config, locals: models, keys, router, embedder }: FleetOptions,
  locals: LocalEngines,
  nowMs: number,
): FleetCore {
  const members = config.experts.flatMap((expert): Member[] => {
    if (expert.kind === "onnx") return []
    return [{ config: expert, expert: openExpert(expert, models, keys, locals) }]
  })
  if (router?.embeddingSize !== undefined && router.embeddingSize !== embedder?.mark.size)
    throw new Error(
      `fleet: expected an embedder of size ${router.embeddingSize}, as its router wants one, found ${embedder?.mark.size ?? "none"}`,
    )
  const answering = members.map((member) => member.config)
  return {
    ...createFleetRouting(answering, router, nowMs),
    config,
    members,
    health: createFleetHealth(
      answering.map(({ limits }) => limits),
      config.breaker,
      nowMs,
    ),
    memory: createAnswerMemory(),
    embedder: embedder && createRequestEmbedder(embedder, config.embedder?.timeoutMs ?? EMBEDDING_MS),
    standbys: Int32Array.from(answering, ({ standby }) => (standby === undefined ? -1 : placeOf(members, standby))),
    generalist: answering.findIndex(({ isGeneralist }) => isGeneralist),
  }
}

function openExpert(
  config: Member["config"],
  models: readonly LocalModel[],
  keys: FleetOptions["keys"],
  locals: LocalEngines,
): FleetExpert {
  if (config.kind === "remote") return createRemoteExpert(config, keys[config.name])
  const model = models.find(({ name }) => name === config.name)
  if (model === undefined) throw new Error(`fleet: expected the model of the local expert ${config.name}, found none`)
  return createLocalExpert(config, model, locals)
}
