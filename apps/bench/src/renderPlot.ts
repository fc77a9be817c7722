import type { BenchRecord } from "./BenchRecord.ts"
import { renderBars } from "./renderBars.ts"
import { renderLines } from "./renderLines.ts"

/** Draws a record as SVG, in the way that its suite says. */
export function renderPlot({ suite, plot, axis = "", machine, measurements }: BenchRecord): string {
  const title = `bench ${suite}, ${machine.cpu}, ${machine.numCores} cores`
  return plot === "lines" ? renderLines(title, axis, measurements) : renderBars(title, measurements)
}
