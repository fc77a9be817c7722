/**
 * The engine's state and its one verb, `step`: admit, plan, run, sample, apply. Plain and synchronous; it knows no process and no Effect.
 *
 * A step is a transaction: until it is applied nothing but scratch has changed, so a failed one can be run again.
 */
import { createSampler, type SampledToken, type Transformer } from "@consilium/model"
import { pickSlot, planStep, type StepPlan } from "@consilium/scheduling"
import type { EngineEvent, Generate } from "../protocol.ts"
import { createSequence, numGenerated, type Sequence } from "./Sequence.ts"
import { traceRows } from "./traceRows.ts"

/** The part of a transformer that steps need. */
export type StepModel = Pick<
  Transformer,
  "config" | "numSlots" | "capacity" | "maxRows" | "run" | "logits" | "copyPrefix" | "routing"
>

/** A step that failed: nothing was applied. Later rungs of the ladder name layer, expert and host. */
export interface StepFault {
  readonly type: "fault"
  readonly cause: unknown
  readonly requestIds: readonly string[]
}

/** A step that was applied. */
interface StepDone {
  readonly type: "done"
  readonly events: readonly EngineEvent[]
  readonly numRows: number
}

export interface EngineCore {
  readonly numRunning: number
  readonly numWaiting: number
  readonly numSteps: number
  /** Takes a request, or says at once why not. */
  submit(request: Generate): readonly EngineEvent[]
  /** Forgets a request, running or waiting; unknown ones are ignored. */
  cancel(requestId: string): void
  /** Runs one step over everything that is runnable; undefined when there is nothing to do. */
  step(): StepDone | StepFault | undefined
  /** Ends requests with an error: the ladder's last rung. */
  fail(requestIds: readonly string[], message: string): readonly EngineEvent[]
}

export interface EngineCoreOptions {
  readonly model: StepModel
  /** Most rows of a prefill chunk while others decode. */
  readonly maxChunkRows: number
  /** Most requests that wait for a slot. */
  readonly maxWaiting: number
  readonly nowMs: () => number
}

/** What a slot remembers after its sequence has ended. */
interface Slot {
  readonly slotId: number
  ids: readonly number[]
  lastUsed: number
}

export function createEngineCore({ model, maxChunkRows, maxWaiting, nowMs }: EngineCoreOptions): EngineCore {
  const sampler = createSampler(model.config.vocabSize)
  const slots: Slot[] = Array.from({ length: model.numSlots }, (_, slotId) => ({ slotId, ids: [], lastUsed: 0 }))
  const waiting: Sequence[] = []
  /** In order of arrival. */
  const running: Sequence[] = []
  const batchIds = new Int32Array(model.maxRows)
  let nextId = 0
  let numSteps = 0
  let clock = 0

  const release = (sequence: Sequence): void => {
    running.splice(running.indexOf(sequence), 1)
    const slot = slots[sequence.slotId!]!
    slot.ids = sequence.ids.slice(0, sequence.numComputed)
    slot.lastUsed = ++clock
  }

  /** Gives waiting sequences the slots that are free, the best one to each. */
  const admit = (): void => {
    while (waiting.length > 0 && running.length < slots.length) {
      const busy = new Map(running.map((sequence) => [sequence.slotId!, sequence]))
      const memories = slots.map(({ slotId, ids, lastUsed }) => {
        const user = busy.get(slotId)
        return {
          slotId,
          lastUsed,
          isBusy: user !== undefined,
          ids: user === undefined ? ids : user.ids.slice(0, user.numComputed),
        }
      })
      const choice = pickSlot(waiting[0]!.ids, memories)
      if (choice === undefined) return
      const sequence = waiting.shift()!
      // A trace shows every position, so all are computed.
      const numReused = sequence.request.trace ? 0 : choice.numReused
      if (choice.copyFrom !== undefined) model.copyPrefix(choice.copyFrom, choice.slotId, numReused)
      sequence.slotId = choice.slotId
      sequence.numComputed = numReused
      sequence.numCached = numReused
      sequence.startedMs = nowMs()
      running.push(sequence)
    }
  }

  const sequenceOf = (sequenceId: number): Sequence => running.find((sequence) => sequence.sequenceId === sequenceId)!

  const runModel = ({ entries, numRows }: StepPlan): void => {
    let firstRow = 0
    const batchSlots = entries.map(({ sequenceId, slotId, firstPosition, numRows: rows, isSampled }) => {
      const { ids } = sequenceOf(sequenceId)
      for (let r = 0; r < rows; r++) batchIds[firstRow + r] = ids[firstPosition + r]!
      const slot = { slotId, firstRow, numRows: rows, pastLength: firstPosition, wantsLogits: isSampled }
      firstRow += rows
      return slot
    })
    model.run({ numRows, ids: batchIds, slots: batchSlots })
  }

  const sample = ({ entries }: StepPlan): (SampledToken | undefined)[] =>
    entries.map(({ sequenceId, isSampled }, index) => {
      if (!isSampled) return undefined
      const sequence = sequenceOf(sequenceId)
      const { sampling, seed, choice, numTopLogProbs } = sequence.request
      const draw = { seed, choice, position: numGenerated(sequence) }
      return sampler.sample(model.logits(index), sequence, sampling, draw, numTopLogProbs)
    })

  /** Makes a step count: lengths advance, tokens are said, what is finished gives its slot back. */
  const applyStep = ({ entries }: StepPlan, sampled: readonly (SampledToken | undefined)[]): EngineEvent[] => {
    let firstRow = 0
    return entries.flatMap(({ sequenceId, firstPosition, numRows }, index) => {
      const sequence = sequenceOf(sequenceId)
      if (sequence.request.trace)
        sequence.trace = traceRows(model, { firstRow, numRows, firstPosition }, sequence.trace)
      firstRow += numRows
      sequence.numComputed += numRows
      const token = sampled[index]
      return token === undefined ? [] : applyToken(sequence, token)
    })
  }

  const applyToken = (sequence: Sequence, { id, logProb, top }: SampledToken): EngineEvent[] => {
    const { request } = sequence
    const { requestId, numTopLogProbs } = request
    if (numGenerated(sequence) === request.resumeFrom) sequence.firstTokenMs = nowMs()
    sequence.ids.push(id)
    const isStop = request.stopIds.includes(id)
    const events: EngineEvent[] = []
    if (!isStop) {
      const token = { id, ...(numTopLogProbs === undefined ? {} : { logProb, top }) }
      events.push({ type: "tokens", requestId, tokens: [token], ...(sequence.trace && { trace: sequence.trace }) })
      sequence.trace = undefined
    }
    const isLong = numGenerated(sequence) >= request.maxTokens || sequence.ids.length >= model.capacity
    if (!isStop && !isLong) return events
    release(sequence)
    events.push({ type: "done", requestId, reason: isStop ? "stop" : "length", usage: usageOf(sequence), degraded: [] })
    return events
  }

  const usageOf = (sequence: Sequence) => ({
    promptTokens: sequence.numPrompt,
    cachedTokens: Math.min(sequence.numCached, sequence.numPrompt),
    generatedTokens: numGenerated(sequence),
    queueMs: sequence.startedMs - sequence.submittedMs,
    prefillMs: sequence.firstTokenMs - sequence.startedMs,
    decodeMs: nowMs() - sequence.firstTokenMs,
  })

  const remove = (requestId: string): void => {
    const at = waiting.findIndex(({ request }) => request.requestId === requestId)
    if (at >= 0) waiting.splice(at, 1)
    const sequence = running.find(({ request }) => request.requestId === requestId)
    if (sequence !== undefined) release(sequence)
  }

  return {
    get numRunning() {
      return running.length
    },
    get numWaiting() {
      return waiting.length
    },
    get numSteps() {
      return numSteps
    },
    submit(request) {
      const refusal = refuse(request, model, waiting.length >= maxWaiting)
      if (refusal !== undefined) return [{ type: "failed", requestId: request.requestId, ...refusal }]
      const sequence = createSequence(nextId++, request, nowMs())
      if (request.resumeFrom >= request.maxTokens) {
        return [
          { type: "done", requestId: request.requestId, reason: "length", usage: usageOf(sequence), degraded: [] },
        ]
      }
      waiting.push(sequence)
      return []
    },
    cancel: remove,
    step() {
      admit()
      const states = running.map(({ sequenceId, slotId, ids, numComputed }) => ({
        sequenceId,
        slotId: slotId!,
        numKnown: ids.length,
        numComputed,
      }))
      const plan = planStep(states, { maxRows: model.maxRows, maxChunkRows })
      if (plan.numRows === 0) return undefined
      try {
        runModel(plan)
        const sampled = sample(plan)
        numSteps++
        return { type: "done", numRows: plan.numRows, events: applyStep(plan, sampled) }
      } catch (cause) {
        return {
          type: "fault",
          cause,
          requestIds: plan.entries.map(({ sequenceId }) => sequenceOf(sequenceId).request.requestId),
        }
      }
    },
    fail(requestIds, message) {
      for (const requestId of requestIds) remove(requestId)
      return requestIds.map((requestId) => ({ type: "failed", requestId, code: "internal", message }))
    },
  }
}

type Refusal = { readonly code: "context-overflow" | "bad-request" | "internal"; readonly message: string }

function refuse({ ids }: Generate, { capacity, config }: StepModel, isFull: boolean): Refusal | undefined {
  if (ids.length === 0) return { code: "bad-request", message: "a prompt needs at least one token" }
  if (ids.length >= capacity) {
    return {
      code: "context-overflow",
      message: `the prompt has ${ids.length} tokens, the context holds ${capacity} with the answer`,
    }
  }
  const outside = ids.find((id) => id >= config.vocabSize)
  if (outside !== undefined)
    return { code: "bad-request", message: `token id ${outside} is outside the vocabulary of ${config.vocabSize}` }
  return isFull ? { code: "internal", message: "the engine's queue is full" } : undefined
}
