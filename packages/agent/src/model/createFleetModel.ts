import type { FleetApi, FleetRequest } from "@consilium/fleet"
import { Effect } from "effect"
import { type AgentModel, AgentModelError } from "./AgentModel.ts"
import { collectReply } from "./collectReply.ts"
import { completionOf } from "./completionOf.ts"
import { estimateTokens } from "./estimateTokens.ts"

/** How a run asks a fleet. */
export interface FleetModelOptions extends Pick<FleetRequest, "target" | "purse" | "isStream"> {
  /** As the client calls it: `auto`, or an expert's name. */
  readonly id: string
  /** The shortest among those who may answer. */
  readonly contextLength: number
}

/** A fleet as a run's model: each step is routed, falls back and is paid for by itself. */
export function createFleetModel(fleet: Pick<FleetApi, "answer">, options: FleetModelOptions): AgentModel {
  const { id, contextLength, target, purse, isStream } = options
  return {
    id,
    contextLength,
    countTokens: estimateTokens,
    answer: (turn, say) => {
      const { messages, tools, budgetUsd } = turn
      const asked = { target, purse, isStream, budgetUsd, consult: false } as const
      const request = { ...completionOf(turn), messages, tools, ...asked }
      return collectReply((hear) => fleet.answer(request, hear), say).pipe(
        Effect.map(({ text, calls, ended: { finishes, report } }) => ({
          text,
          calls,
          reason: finishes[0]!.reason,
          usage: {
            promptTokens: report.cost.promptTokens,
            generatedTokens: report.cost.generatedTokens,
            costUsd: report.cost.usd,
          },
          expert: report.expert,
        })),
        Effect.mapError(
          (cause) => new AgentModelError({ message: cause.message, cause, isOverBudget: cause.code === "over-budget" }),
        ),
      )
    },
  }
}
