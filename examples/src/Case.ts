import type { AgentTool } from "@consilium/agent"
import type { RecordTool } from "./answer/RecordTool.ts"
import type { Rule } from "./answer/Rule.ts"

/** A business with its data: what differs between the cases. */
export interface Case {
  /** `bank`; also its folder, with consilium.toml, questions.jsonl and documents/. */
  readonly name: string
  readonly title: string
  /** Whose questions they are. */
  readonly userId: string
  readonly instructions: string
  /** Answered before any model is asked, in this order. */
  readonly rules: readonly Rule[]
  /** Begins every answer that no rule gave. */
  readonly header?: string
  /** By desk, the name of an expert of the fleet: a desk has no right to the tools of another. */
  readonly desks: Readonly<Record<string, Desk>>
  /** Known load: experts are awake before it comes. */
  readonly calendar?: CaseCalendar
}

interface Desk {
  readonly lookups: readonly RecordTool[]
  /** Beside lookups and `calculate`. */
  readonly tools: readonly AgentTool[]
}

export interface CaseCalendar {
  /** In the case's folder. */
  readonly file: string
  readonly event: string
  /** When the event begins, for the clock that is simulated. */
  readonly beginsAt: string
}
