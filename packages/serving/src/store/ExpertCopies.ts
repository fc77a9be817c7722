/** Further copies of awake experts' bytes: replicas, which stand by, and moves, where a copy in another memory domain takes the first one's place. */
import type { Arena, Span } from "@consilium/kernels"
import { checksumText, type SlabEntry } from "@consilium/model"
import { type ExpertTable, STATE } from "./ExpertTable.ts"
import type { FramePool } from "./FramePool.ts"
import type { Residency } from "./Residency.ts"

export interface ExpertCopies extends Pick<Residency, "replicate" | "hasReplica" | "useReplica" | "dropReplica"> {
  /** Bytes that replicas hold. */
  readonly numBytes: number
  /** Returns an instance's second copy. */
  replicaOf(instance: number): Span | undefined
  /** Lets an awake instance compute from a copy in another domain; false, and nothing has changed, where there is no room or the copy is not what its file says. */
  move(instance: number, domain: number): boolean
}

interface ExpertCopiesOptions {
  readonly table: ExpertTable
  readonly arena: Arena
  readonly pool: FramePool
  /** Returns the domain for an instance's copy beside one in another domain. */
  readonly domainFor: (instance: number, other: number) => number
  /** Whether the budget allows one more frame. */
  readonly hasRoom: () => boolean
  /** Opens an awake instance on another frame of the same bytes, and returns the one that it had. */
  readonly reopen: (instance: number, frame: Span) => Span
}

export function createExpertCopies(options: ExpertCopiesOptions): ExpertCopies {
  const { table, arena, pool, domainFor, hasRoom, reopen } = options
  const { states, frames, files } = table
  const replicas = new Map<number, Span>()

  /** Returns the frame of an awake instance. */
  const frameOf = (instance: number): Span | undefined =>
    states[instance] === STATE.awake ? frames[instance] : undefined
  const copy = (from: Span, domain: number): Span => {
    const frame = pool.take(domain)
    arena.bytes(frame).set(arena.bytes(from))
    return frame
  }
  const dropReplica = (instance: number): void => {
    const replica = replicas.get(instance)
    if (replica === undefined) return
    pool.give(replica)
    replicas.delete(instance)
  }

  return {
    get numBytes() {
      return replicas.size * pool.frameBytes
    },
    replicaOf: (instance) => replicas.get(instance),
    replicate(instance) {
      const frame = frameOf(instance)
      if (frame === undefined || replicas.has(instance) || !hasRoom()) return false
      replicas.set(instance, copy(frame, domainFor(instance, arena.domainOf(frame))))
      return true
    },
    hasReplica: (instance) => replicas.has(instance) && states[instance] === STATE.awake,
    useReplica(instance) {
      pool.give(reopen(instance, replicas.get(instance)!))
      replicas.delete(instance)
    },
    dropReplica,
    move(instance, domain) {
      const frame = frameOf(instance)
      if (frame === undefined) return false
      const { entry } = files[instance]!
      const replica = replicas.get(instance)
      if (replica !== undefined && arena.domainOf(replica) === domain) {
        if (!holds(arena, replica, entry)) {
          dropReplica(instance)
          return false
        }
        // The two change roles: nothing is copied, and they stay apart.
        replicas.set(instance, reopen(instance, replica))
        return true
      }
      if (!hasRoom()) return false
      const moved = copy(frame, domain)
      if (!holds(arena, moved, entry)) {
        pool.give(moved)
        return false
      }
      pool.give(reopen(instance, moved))
      return true
    },
  }
}

/** Whether a frame holds the bytes that a file's checksum is of. */
export function holds(arena: Arena, frame: Span, { bytes, checksum }: SlabEntry): boolean {
  return checksumText(Bun.hash.xxHash3(arena.bytes(frame).subarray(0, bytes))) === checksum
}
