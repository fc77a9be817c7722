/** What tapes are like, of commands whose numbers and values `COMMAND` names. */
import { COMMAND } from "./GpuLine.ts"

/** Parameters of a place in the uniform buffer, of 256 bytes: WebGPU's least alignment. */
export const PLACE_PARAMETERS = 64

/** Returns how many places a dispatch's parameters take. */
export function numPlaces(numParameters: number): number {
  return Math.max(1, Math.ceil(numParameters / PLACE_PARAMETERS))
}

/** Returns where the command after the one at `at` begins. */
export function nextCommand(tape: Float64Array, at: number): number {
  switch (tape[at]) {
    case COMMAND.create:
      return at + 3
    case COMMAND.destroy:
      return at + 2
    case COMMAND.kernel:
      return at + 3 + tape[at + 2]!
    case COMMAND.dispatch:
      return at + 6 + tape[at + 4]! + tape[at + 5 + tape[at + 4]!]!
    case COMMAND.copy:
      return at + 6
    default:
      return at + 5
  }
}

/** Whether two tapes are the same commands, with other parameters, and addresses of this process's memory. */
export function areSameCommands(a: Float64Array, b: Float64Array): boolean {
  if (a.length !== b.length) return false
  for (let at = 0; at < a.length;) {
    const next = nextCommand(a, at)
    const isDispatch = a[at] === COMMAND.dispatch
    const hasAddress = a[at] === COMMAND.write || a[at] === COMMAND.read
    const [freeFrom, freeTo] = isDispatch ? [at + 5, at + 5 + a[at + 4]!] : hasAddress ? [at + 3, at + 4] : [next, next]
    for (let i = at; i < next; i++) if ((i < freeFrom || i >= freeTo) && a[i] !== b[i]) return false
    at = next
  }
  return true
}

/** Whether a tape can be encoded before its values are known: it makes and ends nothing, all is written before anything runs, and one submission has room for its parameters. */
export function isRepeatable(tape: Float64Array, mostPlaces: number): boolean {
  let [places, hasBegun] = [0, false]
  for (let at = 0; at < tape.length; at = nextCommand(tape, at)) {
    const command = tape[at]
    if (command === COMMAND.create || command === COMMAND.destroy || command === COMMAND.kernel) return false
    if (command === COMMAND.write && hasBegun) return false
    if (command === COMMAND.dispatch) places += numPlaces(tape[at + 4]!)
    hasBegun ||= command === COMMAND.dispatch || command === COMMAND.copy
  }
  return hasBegun && places <= mostPlaces
}
