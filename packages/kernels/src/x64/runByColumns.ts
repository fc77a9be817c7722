/**
 * Experts that are too few for a task each, cut by columns: first all gate and up projections, then all down projections, in one phase.
 *
 *     [gather rows of x] → gate, up → activation → pass gate          await gate → [quantise] → down
 *
 * A down projection waits for its own expert alone, and asks for its weights meanwhile, so memory is read from the phase's beginning to its end.
 */
import { takePairs } from "./countParts.ts"
import {
  type ExpertCall,
  numDownSteps,
  numInnerPairs,
  numInnerSteps,
  setPart,
  writeDownSteps,
  writeInnerSteps,
} from "./expertSteps.ts"
import { GATE, GATE_BYTES } from "./gateKernels.ts"
import { RECORD_VALUES } from "./kernelAbi.ts"
import { numRowsOf, type RowPlan, type Slabs } from "./RowPlan.ts"
import type { GrowingMemory } from "./X64Context.ts"
import type { X64Slab } from "./X64Slab.ts"

/** Most bytes that a task asks for while it waits: they stay in the core's own cache. */
const MOST_AHEAD_BYTES = 1 << 17
const GATE_WORDS = GATE_BYTES / 4
/** A word beside a gate's counter: how many tasks pass it. */
const NUM_PASSES = 2

/** Inner rows lie at `inner`, in order of the plan. */
export function runByColumns(call: ExpertCall, plan: RowPlan, slabs: Slabs, inner: number, gates: GrowingMemory): void {
  const { offsets } = plan
  let numExperts = 0
  let bytes = 0
  for (let e = 0; e < slabs.length; e++) {
    if (numRowsOf(plan, slabs, e) === 0) continue
    numExperts++
    bytes += slabs[e]!.layout.bytes
  }
  const firstGate = gates.address(numExperts * GATE_BYTES)
  const words = gates.words().fill(0, 0, numExperts * GATE_WORDS)
  call.bytesLeft = bytes

  for (let e = 0, n = 0; e < slabs.length; e++) {
    const numRows = numRowsOf(plan, slabs, e)
    if (numRows === 0) continue
    placePart(call, slabs[e]!, offsets[e]!, numRows, inner)
    words[n * GATE_WORDS + NUM_PASSES] = addInnerTasks(call, slabs[e]!, firstGate + n * GATE_BYTES)
    n++
  }
  for (let e = 0, n = 0; e < slabs.length; e++) {
    const numRows = numRowsOf(plan, slabs, e)
    if (numRows === 0) continue
    placePart(call, slabs[e]!, offsets[e]!, numRows, inner)
    addDownTasks(call, slabs[e]!, firstGate + n * GATE_BYTES, words[n * GATE_WORDS + NUM_PASSES]!)
    n++
  }
  call.context.hosts.run()
}

function placePart(call: ExpertCall, { kind }: X64Slab, firstRow: number, numRows: number, inner: number): void {
  setPart(call, firstRow, numRows, inner + firstRow * kind!.innerStride)
}

/** Returns how many tasks there are, each of which passes the gate. */
function addInnerTasks(call: ExpertCall, slab: X64Slab, gate: number): number {
  const { hosts, codes } = call.context
  const { records } = hosts
  const numPairs = numInnerPairs(slab)
  const numSteps = numInnerSteps(call)
  let numTasks = 0
  for (let first = 0; first < numPairs; numTasks++) {
    const count = takePart(call, slab.upProj!.groupBytes, numPairs - first)
    const at = hosts.addSequence(numSteps + 1)
    writeInnerSteps(call, at, slab, first, count)
    const last = at + numSteps * RECORD_VALUES
    records[last] = codes.passGate
    records[last + GATE.gate] = gate
    first += count
  }
  return numTasks
}

/** Each task quantises the rows again: that is cheaper than to wait for one that does. */
function addDownTasks(call: ExpertCall, slab: X64Slab, gate: number, numPasses: number): void {
  const { hosts, codes } = call.context
  const { records } = hosts
  const { numPairs, groupBytes, weights } = slab.downProj!
  for (let first = 0; first < numPairs;) {
    const count = takePart(call, groupBytes, numPairs - first)
    const at = hosts.addSequence(1 + numDownSteps(slab))
    records[at] = codes.awaitGate
    records[at + GATE.gate] = gate
    records[at + GATE.count] = numPasses
    records[at + GATE.from] = weights + first * 2 * groupBytes
    records[at + GATE.bytes] = Math.min(count * 2 * groupBytes, MOST_AHEAD_BYTES)
    writeDownSteps(call, at + RECORD_VALUES, slab, first, count)
    first += count
  }
}

/** Returns how many of a matrix's pairs the next task takes. */
function takePart(call: ExpertCall, groupBytes: number, pairsLeft: number): number {
  const { context, part } = call
  const count = takePairs(context.hosts.numHosts, groupBytes, pairsLeft, call.bytesLeft, part.numRows)
  call.bytesLeft -= count * 2 * groupBytes
  return count
}
