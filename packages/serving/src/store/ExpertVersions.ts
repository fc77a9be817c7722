/**
 * Which version of each expert a request runs. An *epoch* is a choice of versions for all experts; a sequence keeps the one that it began with, so that a swap
 * changes nothing for those who run, and a canary is a second epoch beside the first.
 *
 * A version that some epoch uses lives in a place of its own behind its layer's experts; one that none uses any more is forgotten, and its file kept until a service starts that nobody wants it of.
 */
import { createRouting, type Routing } from "@consilium/gating"
import { hash32 } from "@consilium/tensor"
import { CANARY_PREFIX, type Desired, type ExpertChange, type VersionsReport } from "../control.ts"
import { type Canary, describeVersions, type Epoch, type PendingSwap, type Running } from "./Epoch.ts"
import type { ExpertProbe } from "./ExpertProbe.ts"
import { type ExpertLayer, type ExpertTable, instanceOf, STATE } from "./ExpertTable.ts"
import type { Residency } from "./Residency.ts"
import { createVersionHistory } from "./VersionHistory.ts"
import { createVersionPlaces } from "./VersionPlaces.ts"

export interface ExpertVersions {
  /** Returns the epoch that a request begins with, and counts it as a user. */
  enter(requestId: string): number
  join(epoch: number): void
  leave(epoch: number, numTokens: number): void
  setRows(firstRow: number, numRows: number, epoch: number): void
  /** Returns a layer's routing to instances; the same one where all rows run the originals. */
  assign(layer: ExpertLayer, routing: Routing): Routing
  /** Returns the instance that all of a step's rows run for an expert of the layer; undefined where their epochs differ in it. */
  instanceFor(layer: ExpertLayer, expertId: number, numRows: number): number | undefined
  /** Brings versions in beside the active ones, verifies them, and flips when all are awake. Rejects with RangeError on what cannot be. */
  swap(versions: readonly string[], share: number | undefined, running: Running): Promise<VersionsReport>
  rollback(experts: readonly { readonly layer: number; readonly expert: number }[], running: Running): VersionsReport
  endCanary(isAccepted: boolean): VersionsReport
  /** Brings about what an operator wanted of an engine before this one. */
  desire(desired: Pick<Desired, "versions" | "canary" | "earlier">): void
  /** Flips what has become awake. Called between steps. */
  settle(): void
  /** Returns the epoch that running sequences are to move to, once. */
  takeMove(): number | undefined
  report(): VersionsReport
  /** The version that an instance is: its name, or "original". */
  nameOf(instance: number): string
  /** Returns the instance that requests run which begin now, for that of an original. */
  activeOf(original: number): number
  /** Whether an instance is used by nobody but those who began with it. */
  isDraining(instance: number): boolean
  close(): void
}

interface ExpertVersionsOptions {
  readonly table: ExpertTable
  readonly residency: Residency
  readonly probe: ExpertProbe
  readonly preparedDir: string
  readonly maxRows: number
  readonly topK: number
  readonly mayEvict: (instance: number) => boolean
  /** Told of an instance that nobody runs any more: what was noted of it does not hold for what comes to its place. */
  readonly onDrop: (instance: number) => void
  readonly onChange: (change: Omit<ExpertChange, "atMs">) => void
}

export function createExpertVersions(options: ExpertVersionsOptions): ExpertVersions {
  const { table, residency, probe, preparedDir, maxRows, topK, mayEvict, onDrop, onChange } = options
  const { states, layers, layerOf } = table
  const places = createVersionPlaces(table, preparedDir)
  const epochs = new Map<number, Epoch>()
  const history = createVersionHistory(table)
  const pending: PendingSwap[] = []
  const assigned = createRouting(maxRows, topK)
  const rowEpochs = new Int32Array(maxRows)
  let lastId = 0
  let move: number | undefined

  const openEpoch = (versions: ReadonlyMap<number, string>): Epoch => {
    const epoch = { id: lastId++, versions, numUsers: 0, numRequests: 0, numTokens: 0 }
    epochs.set(epoch.id, epoch)
    return epoch
  }
  let active = openEpoch(new Map())
  let canary: Canary | undefined

  const isUsed = (name: string): boolean =>
    [...epochs.values()].some((epoch) => [...epoch.versions.values()].includes(name))

  /** Puts an instance that no epoch has to sleep, and forgets what became of it. */
  const drop = (instance: number): void => {
    residency.forget(instance)
    onDrop(instance)
  }

  /** Drops epochs that nobody uses, and versions that no epoch has. */
  const clean = (): void => {
    for (const epoch of epochs.values()) {
      const isServed = epoch === active || epoch === canary?.epoch || pending.some((swap) => swap.epoch === epoch)
      if (!isServed && epoch.numUsers === 0) epochs.delete(epoch.id)
    }
    for (const [name, instance] of places.all) {
      if (isUsed(name)) continue
      drop(instance)
      places.free(name)
    }
    for (const original of active.versions.keys())
      if ([...epochs.values()].every((epoch) => epoch.versions.has(original))) drop(original)
  }

  const activate = (epoch: Epoch, running: Running, change: ExpertChange["change"]): void => {
    const before = active.versions
    active = epoch
    if (running === "move") move = epoch.id
    for (const original of new Set([...before.keys(), ...epoch.versions.keys()])) {
      if (before.get(original) === epoch.versions.get(original)) continue
      const { layer, first } = layers[layerOf[original]!]!
      const name = epoch.versions.get(original) ?? "the original"
      onChange({ layer, expert: original - first, change, detail: `${name} is active` })
    }
    clean()
  }

  /** Returns the versions of an epoch that are not active, by original. */
  const addedTo = (epoch: Epoch): (readonly [number, string])[] =>
    [...epoch.versions].filter(([original, name]) => active.versions.get(original) !== name)

  /** Makes an epoch everybody's, to be gone back from. */
  const adopt = (epoch: Epoch, running: Running): void => {
    history.remember(new Map(addedTo(epoch)).keys(), active.versions)
    activate(epoch, running, "swapped")
  }

  const report = (): VersionsReport => ({ ...describeVersions(active, canary), earlier: history.list() })

  const refuse = (swap: PendingSwap, reason: string): void => {
    epochs.delete(swap.epoch.id)
    clean()
    swap.reject(new RangeError(reason))
  }

  /** Verifies the versions of a swap that are all awake, and flips. */
  const flip = (swap: PendingSwap): void => {
    const { epoch, share, running } = swap
    const added = addedTo(epoch)
    const outputChange: (number | null)[] = []
    for (const [original, name] of added) {
      try {
        outputChange.push(probe.compare(places.take(name), instanceFor(active, original)))
      } catch (error) {
        return refuse(swap, `${name}: ${(error as Error).message}`)
      }
    }
    if (share === undefined) adopt(epoch, running)
    else {
      active.numRequests = active.numTokens = 0
      canary = { epoch, share, outputChange }
      clean()
    }
    swap.resolve(report())
  }

  const instanceFor = (epoch: Epoch, original: number): number => {
    const name = epoch.versions.get(original)
    return name === undefined ? original : places.all.get(name)!
  }

  return {
    enter(requestId) {
      const isCanary =
        canary !== undefined && (requestId.startsWith(CANARY_PREFIX) || shareOf(requestId) < canary.share)
      const epoch = isCanary ? canary!.epoch : active
      epoch.numUsers++
      epoch.numRequests++
      return epoch.id
    },
    join: (id) => void epochs.get(id)!.numUsers++,
    leave(id, numTokens) {
      const epoch = epochs.get(id)!
      epoch.numUsers--
      epoch.numTokens += numTokens
      if (epoch.numUsers === 0 && epoch !== active && epoch !== canary?.epoch) clean()
    },
    setRows: (firstRow, numRows, epoch) => void rowEpochs.fill(epoch, firstRow, firstRow + numRows),
    assign({ first }, routing) {
      if (places.all.size === 0) return routing
      const { numTokens, expertIds, weights } = routing
      assigned.numTokens = numTokens
      for (let a = 0; a < numTokens * routing.topK; a++) {
        const id = expertIds[a]!
        const epoch = epochs.get(rowEpochs[Math.floor(a / routing.topK)]!)!
        assigned.expertIds[a] = id < 0 ? id : instanceFor(epoch, first + id) - first
        assigned.weights[a] = weights[a]!
      }
      return assigned
    },
    instanceFor({ first }, expertId, numRows) {
      if (places.all.size === 0) return first + expertId
      const of = (row: number): number => instanceFor(epochs.get(rowEpochs[row]!)!, first + expertId)
      for (let row = 1; row < numRows; row++)
        if (rowEpochs[row] !== rowEpochs[row - 1] && of(row) !== of(row - 1)) return undefined
      return of(0)
    },
    swap: (names, share, running) =>
      new Promise((resolve, reject) => {
        try {
          if (canary !== undefined) throw new RangeError("a canary is served: accept or reject it first")
          const versions = new Map(active.versions)
          for (const name of names) versions.set(places.originalOf(name), name)
          for (const name of names) places.take(name)
          pending.push({ epoch: openEpoch(versions), share, running, resolve, reject })
        } catch (error) {
          clean()
          reject(error as Error)
        }
      }),
    rollback(experts, running) {
      const wanted = experts.map(({ layer, expert }) => {
        const original = instanceOf(table, layer, expert)
        if (original === undefined) throw new RangeError(`layer ${layer} expert ${expert}: there is no such expert`)
        return original
      })
      const returning = history.previous(new Set(wanted))
      const versions = new Map(active.versions)
      for (const [original, name] of returning) {
        if (name === undefined) versions.delete(original)
        else versions.set(original, name)
      }
      try {
        for (const name of versions.values()) places.take(name)
      } catch (error) {
        clean()
        throw error
      }
      history.pop(returning.keys())
      activate(openEpoch(versions), running, "rolled-back")
      return report()
    },
    endCanary(isAccepted) {
      if (canary === undefined) throw new RangeError("there is no canary")
      const { epoch } = canary
      canary = undefined
      if (isAccepted) adopt(epoch, "keep")
      else clean()
      return report()
    },
    desire({ versions, canary: wanted, earlier }) {
      history.restore(earlier)
      const named = (names: readonly string[]): Map<number, string> => {
        const map = new Map<number, string>()
        for (const name of names) {
          places.take(name)
          map.set(places.originalOf(name), name)
        }
        return map
      }
      if (versions.length > 0) {
        activate(openEpoch(named(versions)), "keep", "swapped")
      }
      if (wanted === null) return
      const epoch = openEpoch(new Map([...active.versions, ...named(wanted.versions)]))
      canary = { epoch, share: wanted.share, outputChange: [] }
    },
    settle() {
      const [swap] = pending
      if (swap === undefined) return
      residency.settle()
      for (const name of swap.epoch.versions.values()) {
        const instance = places.all.get(name)!
        const fault = residency.takeFault(instance)
        if (fault !== undefined) {
          pending.shift()
          return refuse(swap, fault.message)
        }
        if (states[instance] === STATE.awake) continue
        if (states[instance] === STATE.asleep) residency.wake(instance, false, mayEvict)
        return
      }
      pending.shift()
      flip(swap)
    },
    takeMove() {
      const epoch = move
      move = undefined
      return epoch
    },
    report,
    nameOf: (instance) => [...places.all].find(([, place]) => place === instance)?.[0] ?? "original",
    activeOf: (original) => instanceFor(active, original),
    isDraining(instance) {
      const { first } = layers[layerOf[instance]!]!
      const original = first + table.expertIds[instance]!
      return [active, canary?.epoch].every((epoch) => epoch === undefined || instanceFor(epoch, original) !== instance)
    },
    close: places.close,
  }
}

/** Returns where in [0, 1) a request stands: the same for the same name. */
function shareOf(requestId: string): number {
  return hash32(Number(Bun.hash.xxHash32(requestId))) / 2 ** 32
}
