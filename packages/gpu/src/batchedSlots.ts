/** How one dispatch reaches many slots: each has its numbers among the parameters, and a workgroup finds its own. */
import { MOST_PARAMETERS } from "./GpuLine.ts"

/** What kernels of attention know of a slot. */
export interface BatchedSlot {
  readonly firstRow: number
  readonly numRows: number
  readonly pastLength: number
  readonly capacity: number
  /** Rows of the heap of keys, of one position and key head each, before the slot's first. */
  readonly keysRow: number
  /** The same of values. */
  readonly valuesRow: number
  /** Sums of the dispatch's blocks before its first. */
  readonly firstSum: number
}

const FIELDS = [
  "firstRow",
  "numRows",
  "pastLength",
  "capacity",
  "keysRow",
  "valuesRow",
  "firstSum",
] as const satisfies readonly (keyof BatchedSlot)[]
/** Words of a slot: what is shared out among workgroups before it comes last. */
const SLOT_WORDS = FIELDS.length + 1

/** Parameters before the slots: the kernel's own, and how many slots there are. */
const NUM_OWN = 8

/** Slots of one dispatch: those that fit its parameters. */
export const BATCHED_SLOTS = Math.floor((MOST_PARAMETERS - NUM_OWN) / SLOT_WORDS)

/** WGSL: a kernel's parameters, its own u32 values, at most 7, by their names, and the slots'. */
export function shapeCode(own: readonly string[]): string {
  const fill = Array.from({ length: NUM_OWN - 1 - own.length }, (_, i) => `unused${i}`)
  const members = (names: readonly string[]): string => names.map((name) => `${name}: u32`).join(", ")
  return `struct Slot { ${members([...FIELDS, "begin"])} }
struct Shape { ${members([...own, ...fill, "numSlots"])}, slots: array<Slot, ${BATCHED_SLOTS}> }
@group(0) @binding(0) var<uniform> shape: Shape;`
}

/**
 * Returns the parameters in the order of `shapeCode`.
 *
 * @param count how much of what workgroups share out is a slot's: its rows, unless given
 */
export function batchParameters(
  own: readonly number[],
  slots: readonly BatchedSlot[],
  count: (slot: BatchedSlot) => number = ({ numRows }) => numRows,
): number[] {
  const fill = Array.from({ length: NUM_OWN - 1 - own.length }, () => 0)
  const parameters = [...own, ...fill, slots.length]
  let begin = 0
  for (const slot of slots) {
    for (const field of FIELDS) parameters.push(slot[field])
    parameters.push(begin)
    begin += count(slot)
  }
  return parameters
}

/**
 * WGSL: `slot`, and `index` in it, of what has the number `of` among what workgroups share out.
 *
 * The last slot that begins there or before, by halves: each step waits for a read of the one before it.
 */
export function findSlotCode(of: string): string {
  return `let of_all = ${of};
  var at_slot = 0u;
  for (var step = ${2 ** Math.floor(Math.log2(BATCHED_SLOTS))}u; step > 0u; step /= 2u) {
    let next = at_slot + step;
    if (next < shape.numSlots && shape.slots[next].begin <= of_all) { at_slot = next; }
  }
  let slot = shape.slots[at_slot];
  let index = of_all - slot.begin;`
}
