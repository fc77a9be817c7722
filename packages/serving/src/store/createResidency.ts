/**
 * Who is awake: carries out waking and falling asleep, within a budget of bytes. Synchronous; reads run on threads of their own.
 *
 *     asleep → waking (a read is under way) → awake (verified, open on the backend) → asleep
 */
import { type Backend, planExpertSlab, type ReadQueue, type Span } from "@consilium/kernels"
import { alignPart, checksumText } from "@consilium/model"
import type { EvictionPolicy } from "@consilium/scheduling"
import { createExpertCopies, holds } from "./ExpertCopies.ts"
import { ExpertFault } from "./ExpertFault.ts"
import { type ExpertTable, instanceName, STATE } from "./ExpertTable.ts"
import type { FramePool } from "./FramePool.ts"
import type { Residency, ResidencyCounters, ResidencyLimits } from "./Residency.ts"

/** Which layer of the table runs, in which step. */
export interface Turn {
  step: number
  layer: number
}

interface ResidencyOptions {
  readonly table: ExpertTable
  readonly backend: Backend
  /** Opens those that the table has on it. */
  readonly standIn: Backend
  readonly pool: FramePool
  readonly queue: ReadQueue
  readonly policy: EvictionPolicy
  /** Where the step is. */
  readonly turn: Turn
  readonly limits: ResidencyLimits
  /** Returns the memory domain for an instance, another than `other` where there is another. */
  readonly domainFor: (instance: number, other?: number) => number
}

export function createResidency({
  table,
  backend,
  standIn,
  pool,
  queue,
  policy,
  turn,
  limits,
  domainFor,
}: ResidencyOptions): Residency {
  const { states, files, frames, slabs, isOnStandIn, tickets, layerOf, numHeld } = table
  const backendOf = (instance: number): Backend => (isOnStandIn[instance] === 1 ? standIn : backend)
  /** `[numInstances]` bytes that each holds or will hold. */
  const heldBytes = new Float64Array(table.numInstances)
  const faults = new Map<number, ExpertFault>()
  const waking: number[] = []
  const counters: ResidencyCounters = {
    numWoken: 0,
    numSlept: 0,
    readBytes: 0,
    aheadBytes: 0,
    waitMs: 0,
    numMoved: 0,
  }
  /** Instances that are read ahead of need, until their read is done or somebody waits for it. */
  const ahead = new Set<number>()
  /** Instances that are awake, or waking, for a use that is to come. */
  const reserved = new Set<number>()
  let awakeBytes = 0
  const usedBytes = (): number => awakeBytes + copies.numBytes

  const hold = (instance: number, bytes: number): void => {
    awakeBytes += bytes - heldBytes[instance]!
    heldBytes[instance] = bytes
  }
  /** What an instance is expected to hold once it is awake. */
  const lastBytes = new Float64Array(table.numInstances)
  const expectedBytes = (instance: number): number => lastBytes[instance]! || pool.frameBytes

  const isOver = (instance: number): boolean =>
    usedBytes() + expectedBytes(instance) > limits.budgetBytes ||
    numHeld[layerOf[instance]!]! >= limits.targets[layerOf[instance]!]!

  /** Frees what an instance holds. */
  const release = (instance: number): void => {
    const frame = frames[instance]
    if (frame !== undefined) pool.give(frame)
    frames[instance] = undefined
    states[instance] = STATE.asleep
    numHeld[layerOf[instance]!]!--
    reserved.delete(instance)
    policy.slept(instance)
    hold(instance, 0)
  }

  const sleep = (instance: number): void => {
    copies.dropReplica(instance)
    backendOf(instance).closeSlab(slabs[instance]!)
    slabs[instance] = undefined
    counters.numSlept++
    release(instance)
  }

  /** Puts the policy's next victim to sleep, one of `layer` where given; returns false where nobody may. */
  const sleepOne = (layer: number | undefined, mayEvict: (instance: number) => boolean): boolean => {
    const mayGo = (other: number): boolean =>
      states[other] === STATE.awake && (layer === undefined || layerOf[other] === layer) && mayEvict(other)
    // Were most of memory reserved, those that run would be left to take turns in the rest.
    const isKept = reserved.size > 0 && 2 * reserved.size <= numHeld.reduce((sum, count) => sum + count, 0)
    let victim = isKept ? policy.victim(turn.layer, (other) => !reserved.has(other) && mayGo(other)) : -1
    if (victim < 0) victim = policy.victim(turn.layer, mayGo)
    if (victim < 0) return false
    sleep(victim)
    return true
  }

  const makeRoom = (instance: number, mayEvict: (instance: number) => boolean): boolean => {
    while (isOver(instance)) {
      const layer = layerOf[instance]!
      if (!sleepOne(numHeld[layer]! >= limits.targets[layer]! ? layer : undefined, mayEvict)) return false
    }
    return true
  }

  const settleOne = (instance: number): void => {
    const { entry } = files[instance]!
    const { numBytes, checksum } = queue.take(tickets[instance]!)
    tickets[instance] = -1
    ahead.delete(instance)
    counters.readBytes += entry.bytes
    const found = checksumText(checksum)
    if (numBytes < entry.bytes || found !== entry.checksum) {
      const what =
        numBytes < entry.bytes
          ? `expected ${entry.bytes} bytes, found ${numBytes}`
          : `expected checksum ${entry.checksum}, found ${found}`
      const { layer, first } = table.layers[layerOf[instance]!]!
      faults.set(instance, new ExpertFault("checksum", layer, instance - first, what))
      return release(instance)
    }
    counters.numWoken++
    open(instance)
  }

  /** Opens what an instance's frame holds. */
  const open = (instance: number): void => {
    const { shape } = files[instance]!.entry
    if (shape.kind !== "expert") throw new Error(`${instanceName(table, instance)} is a matrix`)
    const opener = backendOf(instance)
    const slab = opener.openSlab(frames[instance]!, planExpertSlab(shape))
    slabs[instance] = slab
    states[instance] = STATE.awake
    lastBytes[instance] = Math.max(opener.numBytes(slab), slab.readsArena ? pool.frameBytes : 0)
    hold(instance, lastBytes[instance]!)
    if (slab.readsArena) return
    pool.give(frames[instance]!)
    frames[instance] = undefined
  }

  /** Opens an awake instance on another frame of the same bytes, and returns the one that it had. */
  const reopen = (instance: number, frame: Span): Span => {
    const [before, slab] = [frames[instance]!, slabs[instance]!]
    frames[instance] = frame
    open(instance)
    backendOf(instance).closeSlab(slab)
    return before
  }

  const hasRoom = (): boolean => usedBytes() + pool.frameBytes <= limits.budgetBytes
  const { arena } = backend
  const copies = createExpertCopies({ table, arena, pool, domainFor, hasRoom, reopen })

  /** Returns how many reads it settled. */
  const settle = (): number => {
    const numWaking = waking.length
    let kept = 0
    for (let w = 0; w < numWaking; w++) {
      const instance = waking[w]!
      if (queue.isDone(tickets[instance]!)) settleOne(instance)
      else waking[kept++] = instance
    }
    waking.length = kept
    return numWaking - kept
  }

  return {
    limits,
    counters,
    get usedBytes() {
      return usedBytes()
    },
    hasRoom,
    get numAhead() {
      return ahead.size
    },
    wake(instance, isUrgent, mayEvict) {
      const file = files[instance]
      if (file === undefined) throw new Error(`${instanceName(table, instance)} has no file`)
      if (!makeRoom(instance, mayEvict)) return false
      const frame = pool.take(domainFor(instance))
      const { handle, entry } = file
      const request = {
        handle,
        offset: entry.offset,
        // Direct reads are of whole pages; slabs are padded to them.
        bytes: alignPart(entry.bytes),
        checkedBytes: entry.bytes,
        span: frame,
      }
      const ticket = queue.submit(request, isUrgent)
      if (ticket === undefined) {
        pool.give(frame)
        return false
      }
      if (!isUrgent) {
        counters.aheadBytes += entry.bytes
        ahead.add(instance)
      }
      frames[instance] = frame
      tickets[instance] = ticket
      states[instance] = STATE.waking
      numHeld[layerOf[instance]!]!++
      policy.woke(instance)
      hold(instance, expectedBytes(instance))
      waking.push(instance)
      return true
    },
    replicate: copies.replicate,
    hasReplica: copies.hasReplica,
    useReplica: copies.useReplica,
    dropReplica: copies.dropReplica,
    move(instance, domain) {
      const hasMoved = copies.move(instance, domain)
      if (hasMoved) counters.numMoved++
      return hasMoved
    },
    domainsOf: (instance) =>
      [frames[instance], copies.replicaOf(instance)].flatMap((frame) =>
        frame === undefined ? [] : [arena.domainOf(frame)],
      ),
    heldBytes: (instance) => heldBytes[instance]! + (copies.replicaOf(instance) === undefined ? 0 : pool.frameBytes),
    trim: () => pool.trim(0),
    reserve: (instance) => void reserved.add(instance),
    unreserve: (instance) => void reserved.delete(instance),
    adopt(instance, frame) {
      frames[instance] = frame
      numHeld[layerOf[instance]!]!++
      policy.woke(instance)
      open(instance)
    },
    hurry(instance) {
      ahead.delete(instance)
      queue.hurry(tickets[instance]!)
    },
    forget(instance) {
      if (states[instance] === STATE.waking) {
        queue.wait(tickets[instance]!)
        settle()
      }
      faults.delete(instance)
      if (states[instance] === STATE.awake) sleep(instance)
    },
    isIntact(instance) {
      const frame = frames[instance]
      if (frame === undefined || states[instance] !== STATE.awake) return undefined
      return holds(arena, frame, files[instance]!.entry)
    },
    sleep,
    settle: () => void settle(),
    waitForNext() {
      const before = queue.numDone
      if (settle() > 0) return
      const startMs = performance.now()
      queue.waitForNext(before)
      counters.waitMs += performance.now() - startMs
      settle()
    },
    takeFault(instance) {
      const fault = faults.get(instance)
      faults.delete(instance)
      return fault
    },
    shrink(mayEvict) {
      for (let l = 0; l < numHeld.length; l++) {
        const isLayerOver = (): boolean => numHeld[l]! > limits.targets[l]!
        while (isLayerOver() || usedBytes() > limits.budgetBytes)
          if (!sleepOne(isLayerOver() ? l : undefined, mayEvict)) break
      }
      pool.trim(0)
    },
    close() {
      queue.close()
      for (let instance = 0; instance < states.length; instance++) {
        if (states[instance] === STATE.awake) sleep(instance)
        else if (states[instance] === STATE.waking) release(instance)
      }
      pool.trim(0)
    },
  }
}
