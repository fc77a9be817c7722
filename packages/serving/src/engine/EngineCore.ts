/**
 * The engine's state and its one verb, `step`: admit, plan, run, sample, apply. Plain and synchronous; it knows no process and no Effect.
 *
 * A step is a transaction: until it is applied nothing but scratch has changed, so a failed one can be run again. Its buffers are allocated once:
 * what a step creates is what leaves the process.
 */
import { createSampler, type StepBatch, type TokenLogProbs } from "@consilium/model"
import { createStepPlan, planStep } from "@consilium/scheduling"
import type { Degradation, EngineEvent, Generate } from "../protocol.ts"
import { createPrefillPace } from "./PrefillPace.ts"
import { refuseRequest } from "./refuseRequest.ts"
import { Sequence } from "./Sequence.ts"
import { createSlotTable } from "./SlotTable.ts"
import type { StepDone } from "./StepDone.ts"
import { createStepInput } from "./StepInput.ts"
import type { StepModel } from "./StepModel.ts"
import { traceRows } from "./traceRows.ts"

/** A step that failed: nothing was applied. Later rungs of the ladder name layer, expert and host. */
export interface StepFault {
  readonly type: "fault"
  readonly cause: unknown
  readonly requestIds: readonly string[]
}

export interface EngineCore {
  readonly numRunning: number
  readonly numWaiting: number
  readonly numSteps: number
  /** Tokens computed so far, prompts and answers. */
  readonly numTokens: number
  /** Takes a request, or says at once why not. */
  submit(request: Generate): readonly EngineEvent[]
  /** Forgets a request, running or waiting; unknown ones are ignored. */
  cancel(requestId: string): void
  /** Runs one step over everything that is runnable; undefined when there is nothing to do. */
  step(): StepDone | StepFault | undefined
  /** Lets all sequences go on with the experts of this epoch, from the next step on. */
  move(epoch: number): void
  /** Computes anew what the running sequences have, and forgets what could be reused: weights had changed in memory. Tokens that were said stay. */
  recompute(): void
  /** Ends requests with an error: the ladder's last rung. */
  fail(requestIds: readonly string[], message: string): readonly EngineEvent[]
}

/** What a core asks of the experts, and tells them. */
export interface CoreExperts {
  /** Returns the epoch that a request begins with, and counts it as a user. */
  enter(requestId: string): number
  /** Counts a sequence into an epoch. */
  join(epoch: number): void
  /** Counts a sequence out of its epoch, with the tokens that it was given. */
  leave(epoch: number, numTokens: number): void
  /** Says which epoch rows of the next step belong to. */
  setRows(firstRow: number, numRows: number, epoch: number): void
  /** Called after each step that succeeded; returns the rungs of the failover ladder that it stood on. */
  stepDone(): readonly Degradation[]
}

export interface EngineCoreOptions {
  readonly model: StepModel
  /** Who holds the experts; absent where there are none. */
  readonly experts?: CoreExperts
  /** Most requests that wait for a slot. */
  readonly maxWaiting: number
  readonly nowMs: () => number
}

/** Positions copied before one step: many prompts that begin alike must not halt those who decode. A copy runs at memory speed: some 40 ms of a large model. */
const MOST_COPIED = 2048

export function createEngineCore({ model, experts, maxWaiting, nowMs }: EngineCoreOptions): EngineCore {
  const sampler = createSampler(model.config.vocabSize)
  const slots = createSlotTable(model)
  const input = createStepInput(model)
  const plan = createStepPlan(model.numSlots)
  const pace = createPrefillPace(model.maxRows)
  const waiting: Sequence[] = []
  /** In order of arrival. */
  const running: Sequence[] = []
  /** What was sampled for each entry of the plan. */
  const sampledIds = new Int32Array(model.numSlots)
  const sampledLogProbs: (TokenLogProbs | undefined)[] = Array.from({ length: model.numSlots })
  const draw = { seed: 0, choice: 0, position: 0 }
  let numSteps = 0
  let numTokens = 0

  /** Gives waiting sequences the slots that are free. Who waits for another's prompt lets others pass, but keeps a slot's worth of room. Returns the fault of one that failed. */
  const admit = (): StepFault | undefined => {
    const mostCopied = slots.numCopied + MOST_COPIED
    let numPassed = 0
    while (numPassed < waiting.length && slots.numFree > numPassed && slots.numCopied < mostCopied) {
      const sequence = waiting[numPassed]!
      try {
        if (!slots.admit(sequence)) {
          numPassed++
          continue
        }
      } catch (cause) {
        return { type: "fault", cause, requestIds: [sequence.request.requestId] }
      }
      waiting.splice(numPassed, 1)
      sequence.startedMs = nowMs()
      running.push(sequence)
    }
    return undefined
  }

  const setEpochs = (of: CoreExperts, { slots: batched }: StepBatch): void => {
    for (let i = 0; i < plan.numEntries; i++) {
      const { firstRow, numRows } = batched[i]!
      of.setRows(firstRow, numRows, running[plan.entries[i]!.index]!.epoch)
    }
  }

  /** A step's rungs are its requests': all of them computed with what stood in. */
  const noteRungs = (rungs: readonly Degradation[]): void => {
    for (let i = 0; i < plan.numEntries; i++) running[plan.entries[i]!.index]!.note(rungs)
  }

  const sample = (): void => {
    for (let i = 0; i < plan.numEntries; i++) {
      const { index, isSampled } = plan.entries[i]!
      if (!isSampled) continue
      const sequence = running[index]!
      const { sampling, seed, choice, numTopLogProbs } = sequence.request
      draw.seed = seed
      draw.choice = choice
      draw.position = sequence.numGenerated
      const best = model.shortlist?.(i)
      const id =
        best === undefined
          ? sampler.sample(model.logits(i), sequence, sampling, draw)
          : sampler.sampleBest(best, sampling, draw)
      sampledIds[i] = id
      sampledLogProbs[i] =
        numTopLogProbs === undefined ? undefined : sampler.describe(model.logits(i), id, numTopLogProbs)
    }
  }

  /** Makes a step count: lengths advance, tokens are said, what is finished gives its slot back. */
  const applyStep = (): EngineEvent[] => {
    const events: EngineEvent[] = []
    let firstRow = 0
    for (let i = 0; i < plan.numEntries; i++) {
      const { index, firstPosition, numRows, isSampled } = plan.entries[i]!
      const sequence = running[index]!
      if (sequence.request.trace)
        sequence.trace = traceRows(model, { firstRow, numRows, firstPosition }, sequence.trace)
      firstRow += numRows
      sequence.numComputed += numRows
      if (isSampled) applyToken(events, sequence, sampledIds[i]!, sampledLogProbs[i])
    }
    forgetEnded()
    return events
  }

  const applyToken = (
    events: EngineEvent[],
    sequence: Sequence,
    id: number,
    logProbs: TokenLogProbs | undefined,
  ): void => {
    const { request } = sequence
    const { requestId } = request
    if (sequence.numGenerated === request.resumeFrom) {
      sequence.firstTokenMs = nowMs()
      events.push({ type: "started", requestId, ...startOf(sequence) })
    }
    sequence.ids.push(id)
    const isStop = request.stopIds.includes(id)
    if (!isStop) {
      const token = logProbs === undefined ? { id } : { id, ...logProbs }
      if (sequence.trace === undefined) events.push({ type: "tokens", requestId, tokens: [token] })
      else events.push({ type: "tokens", requestId, tokens: [token], trace: sequence.trace })
      sequence.trace = undefined
    }
    const isLong = sequence.numGenerated >= request.maxTokens || sequence.numKnown >= model.capacity
    if (!isStop && !isLong) return
    leave(sequence)
    events.push({
      type: "done",
      requestId,
      reason: isStop ? "stop" : "length",
      usage: usageOf(sequence),
      degraded: sequence.degraded,
    })
  }

  const leave = (sequence: Sequence): void => {
    slots.release(sequence)
    experts?.leave(sequence.epoch, sequence.numGenerated)
  }

  /** Takes those out of `running` that gave their slot back, in place. */
  const forgetEnded = (): void => {
    let kept = 0
    for (let i = 0; i < running.length; i++) if (running[i]!.slotId !== undefined) running[kept++] = running[i]!
    running.length = kept
  }

  const startOf = (sequence: Sequence) => ({
    cachedTokens: Math.min(sequence.numCached, sequence.numPrompt),
    queueMs: sequence.startedMs - sequence.submittedMs,
    prefillMs: sequence.firstTokenMs - sequence.startedMs,
  })

  const usageOf = (sequence: Sequence) => ({
    promptTokens: sequence.numPrompt,
    generatedTokens: sequence.numGenerated,
    ...startOf(sequence),
    decodeMs: nowMs() - sequence.firstTokenMs,
  })

  const remove = (requestId: string): void => {
    const at = waiting.findIndex(({ request }) => request.requestId === requestId)
    if (at >= 0) experts?.leave(waiting.splice(at, 1)[0]!.epoch, 0)
    const sequence = running.find(({ request }) => request.requestId === requestId)
    if (sequence === undefined) return
    leave(sequence)
    forgetEnded()
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
    get numTokens() {
      return numTokens
    },
    submit(request) {
      const { requestId } = request
      const refusal = refuseRequest(request, model, waiting.length >= maxWaiting)
      if (refusal !== undefined) return [{ type: "failed", requestId, ...refusal }]
      const sequence = new Sequence(request, nowMs())
      if (request.resumeFrom >= request.maxTokens)
        return [{ type: "done", requestId, reason: "length", usage: usageOf(sequence), degraded: [] }]
      sequence.epoch = experts?.enter(requestId) ?? 0
      waiting.push(sequence)
      return []
    },
    cancel: remove,
    step() {
      const startMs = nowMs()
      const fault = admit()
      if (fault !== undefined) return fault
      planStep(plan, running, pace.budget)
      if (plan.numEntries === 0) return undefined
      const batch = input.fill(plan, running)
      if (experts !== undefined) setEpochs(experts, batch)
      const plannedMs = nowMs()
      const kernelMs = model.backend.kernelMs?.() ?? 0
      let ranMs: number
      try {
        model.run(batch)
        ranMs = nowMs()
        sample()
      } catch (cause) {
        const requestIds = batch.slots.map((_, i) => running[plan.entries[i]!.index]!.request.requestId)
        return { type: "fault", cause, requestIds }
      }
      const sampledMs = nowMs()
      numSteps++
      const rungs = experts?.stepDone()
      if (rungs !== undefined && rungs.length > 0) noteRungs(rungs)
      const { numRows, numDecoding } = plan
      numTokens += numRows
      pace.observe(plan, sampledMs - startMs)
      const events = applyStep()
      const times = {
        planMs: plannedMs - startMs,
        runMs: ranMs - plannedMs,
        kernelMs: (model.backend.kernelMs?.() ?? 0) - kernelMs,
        sampleMs: sampledMs - ranMs,
        applyMs: nowMs() - sampledMs,
      }
      return { type: "done", events, numRows, numDecoding, times }
    },
    recompute: () => slots.forgetAll(),
    move(epoch) {
      for (const sequence of [...running, ...waiting]) {
        experts?.join(epoch)
        experts?.leave(sequence.epoch, 0)
        if (sequence.slotId === undefined) sequence.epoch = epoch
        else slots.move(sequence, epoch)
      }
    },
    fail(requestIds, message) {
      for (const requestId of requestIds) remove(requestId)
      return requestIds.map((requestId) => ({ type: "failed", requestId, code: "internal", message }))
    },
  }
}
