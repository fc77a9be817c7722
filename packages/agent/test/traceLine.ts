import type { AgentEvent } from "../src/index.ts"

/** Returns an event as one compact line, without times; undefined for pieces of text, which come by chance. */
export function traceLine(event: AgentEvent): string | undefined {
  switch (event.type) {
    case "started":
      return undefined
    case "recalled":
      return `recalled ${event.facts.length} facts, ${event.numTurns} turns${event.hasSummary ? ", summary" : ""}`
    case "passages":
      return `passages ${event.sources.map(({ title }) => title).join(", ")}`
    case "step":
      return `step ${event.step}`
    case "text":
      return undefined
    case "call":
      return `call ${event.tool} ${event.arguments}${event.isRepaired ? " (repaired)" : ""}`
    case "result":
      return `${event.outcome} ${event.tool}: ${event.text}`
    case "confirm":
      return `confirm ${event.tool} ${event.arguments}`
    case "ended":
      return `${event.end}: ${event.text}`
  }
}
