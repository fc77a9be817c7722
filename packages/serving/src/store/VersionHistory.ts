import { parseExpertVersion } from "@consilium/model"
import type { EarlierVersions } from "../control.ts"
import { type ExpertTable, instanceName, instanceOf } from "./ExpertTable.ts"

/** Which versions of each expert were active before the present one: what a rollback goes back to. Experts are named by the instance of the original. */
export interface VersionHistory {
  /** Notes the versions that are active in the place of these, before others are. */
  remember(originals: Iterable<number>, active: ReadonlyMap<number, string>): void
  /**
   * Returns the version before the active one, undefined for the original: of these experts, or of all that have one where none are named.
   *
   * @throws RangeError naming the first that has none
   */
  previous(wanted: ReadonlySet<number>): ReadonlyMap<number, string | undefined>
  /** Forgets the version before the active one, which is active again. */
  pop(originals: Iterable<number>): void
  list(): readonly EarlierVersions[]
  /** Takes up what an engine before this one remembered; what does not fit the model is left out. */
  restore(earlier: readonly EarlierVersions[]): void
}

/** Versions of an expert that are remembered: more are more disk than anybody goes back. */
const MOST_EARLIER = 8

export function createVersionHistory(table: ExpertTable): VersionHistory {
  /** The latest last. */
  const history = new Map<number, (string | undefined)[]>()

  return {
    remember(originals, active) {
      for (const original of originals) {
        const earlier = history.get(original) ?? []
        history.set(original, [...earlier.slice(1 - MOST_EARLIER), active.get(original)])
      }
    },
    previous(wanted) {
      const without = [...wanted].find((original) => !history.has(original))
      if (without !== undefined)
        throw new RangeError(`${instanceName(table, without)}: it has no version before the active one`)
      const returning = [...history].filter(([original]) => wanted.size === 0 || wanted.has(original))
      return new Map(returning.map(([original, earlier]) => [original, earlier.at(-1)]))
    },
    pop(originals) {
      for (const original of originals) {
        const earlier = history.get(original)!.slice(0, -1)
        if (earlier.length === 0) history.delete(original)
        else history.set(original, earlier)
      }
    },
    list: () =>
      [...history].map(([original, earlier]) => ({
        layer: table.layers[table.layerOf[original]!]!.layer,
        expert: table.expertIds[original]!,
        versions: earlier.map((name) => name ?? null),
      })),
    restore(all) {
      for (const { layer, expert, versions } of all) {
        const original = instanceOf(table, layer, expert)
        const fits = versions.every((name) => {
          const version = name === null ? { layer, expert } : parseExpertVersion(name)
          return version?.layer === layer && version.expert === expert
        })
        if (original === undefined || !fits || versions.length === 0) continue
        const kept = versions.slice(-MOST_EARLIER)
        history.set(
          original,
          kept.map((name) => name ?? undefined),
        )
      }
    },
  }
}
