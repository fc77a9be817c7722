import type { AgentEvent } from "../src/index.ts"

/** What a run told, as compact lines without times: easy to compare, and to read. */
export interface Trace {
  readonly lines: readonly string[]
  hear(event: AgentEvent): void
  add(line: string): void
}

export function createTrace(): Trace {
  const lines: string[] = []
  let said = ""
  const add = (line: string): void => {
    // Text that is the end's own stands in the end's line.
    if (said !== "" && !/^(?:ask|confirmation)/.test(line) && line.endsWith(`: ${said}`)) said = ""
    if (said !== "") lines.push(`said: ${said}`)
    said = ""
    lines.push(line)
  }
  return {
    lines,
    add,
    hear(event) {
      if (event.type === "text") said += event.text
      const line = lineOf(event)
      if (line !== undefined) add(line)
    },
  }
}

function lineOf(event: AgentEvent): string | undefined {
  switch (event.type) {
    case "started":
    case "step":
    case "text":
      return undefined
    case "recalled":
      return `recalled ${event.facts.length} facts, ${event.numTurns} turns${event.hasSummary ? ", summary" : ""}`
    case "passages":
      return `passages ${event.sources.map(({ title }) => title).join(", ")}`
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
