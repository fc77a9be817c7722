import type { ModelConfig } from "@consilium/model"
import type { StepModel } from "../src/engine/StepModel.ts"

/** A model that computes nothing. What it says next depends on every id that a slot holds: a wrong one shows in all that follows. */
export interface FakeModel extends StepModel {
  /** Rows computed so far. */
  readonly numRows: number
  /** Positions copied so far. */
  readonly numCopied: number
  /** Rows of each run so far, per slot that took part. */
  readonly runs: readonly (readonly { readonly slotId: number; readonly numRows: number }[])[]
  /** Makes the next runs throw. */
  failNext(numRuns: number, error?: Error): void
  /** Makes the next copies of a prompt's beginning throw. */
  failCopies(numCopies: number, error: Error): void
  readonly numFailedCopies: number
}

const VOCAB_SIZE = 97

/** Returns what the model says after some ids. */
function nextId(ids: readonly number[]): number {
  let hash = 17
  for (const id of ids) hash = (Math.imul(hash, 31) + id + 1) >>> 0
  return hash % VOCAB_SIZE
}

/** Returns what it answers to a prompt, `numTokens` ids. */
export function answerTo(prompt: readonly number[], numTokens: number): number[] {
  const ids = [...prompt]
  for (let t = 0; t < numTokens; t++) ids.push(nextId(ids))
  return ids.slice(prompt.length)
}

export function createFakeModel({ numSlots = 4, capacity = 512, maxRows = 256 } = {}): FakeModel {
  const held: number[][] = Array.from({ length: numSlots }, () => [])
  const logits: Float32Array[] = Array.from({ length: numSlots }, () => new Float32Array(VOCAB_SIZE))
  const runs: { slotId: number; numRows: number }[][] = []
  let numRows = 0
  let numCopied = 0
  let numFailures = 0
  let failure = new Error("a kernel failed")
  const copies = { numToFail: 0, numFailed: 0, error: failure }
  return {
    backend: {},
    config: { vocabSize: VOCAB_SIZE, layers: [] } as unknown as ModelConfig,
    numSlots,
    capacity,
    maxRows,
    get numRows() {
      return numRows
    },
    get numCopied() {
      return numCopied
    },
    runs,
    failNext(count, error = new Error("a kernel failed")) {
      numFailures = count
      failure = error
    },
    failCopies(count, error) {
      Object.assign(copies, { numToFail: count, error })
    },
    get numFailedCopies() {
      return copies.numFailed
    },
    run({ ids, slots, numRows: rows }) {
      if (rows > maxRows) throw new Error(`${rows} rows`)
      slots.forEach(({ slotId, firstRow, numRows: own, pastLength }, i) => {
        const slot = held[slotId]!
        if (slot.length < pastLength) throw new Error(`slot ${slotId} holds ${slot.length} of ${pastLength} positions`)
        slot.length = pastLength
        slot.push(...ids.subarray(firstRow, firstRow + own))
        logits[i]!.fill(0)[nextId(slot)] = 5
      })
      // As a real one: it fails when state has been written.
      if (numFailures-- > 0) throw failure
      numRows += rows
      runs.push(slots.map(({ slotId, numRows: own }) => ({ slotId, numRows: own })))
    },
    logits: (index) => logits[index]!,
    routing: () => undefined,
    expertBytes: () => 0,
    copyPrefix(from, to, numPositions) {
      if (copies.numToFail > 0) {
        copies.numToFail--
        copies.numFailed++
        throw copies.error
      }
      if (held[from]!.length < numPositions) throw new Error(`slot ${from} holds less than ${numPositions} positions`)
      held[to] = held[from]!.slice(0, numPositions)
      numCopied += numPositions
    },
  }
}
