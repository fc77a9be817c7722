const PREFIX = "agent:"

/** Returns the name of a model by which chats are with an agent. */
export const agentModel = (agent: string): string => PREFIX + agent

/** Returns the agent that a model's name means; undefined where it means a model. */
export function agentOfModel(model: string): string | undefined {
  return model.startsWith(PREFIX) ? model.slice(PREFIX.length) : undefined
}
