import { openDirect, parseExpertVersion, versionPath } from "@consilium/model"
import { closeSync } from "node:fs"
import type { ExpertTable } from "./ExpertTable.ts"

/** Places for versions of experts that are not the originals, behind their layer's experts in the table. */
export interface VersionPlaces {
  /** By version's name: the instance that holds it. */
  readonly all: ReadonlyMap<string, number>
  /** Returns the instance of the original that a version stands for. @throws RangeError where there is no such expert */
  originalOf(name: string): number
  /** Returns a version's place, a new one unless it has one. @throws RangeError when its layer has none left; PreparedModelError without its file */
  take(name: string): number
  /** Gives a place back: its instance must hold nothing. */
  free(name: string): void
  close(): void
}

export function createVersionPlaces(table: ExpertTable, preparedDir: string): VersionPlaces {
  const { files, layers, layerOf, expertIds } = table
  const all = new Map<string, number>()

  const originalOf = (name: string): number => {
    const version = parseExpertVersion(name)
    const layer = layers.find((of) => of.layer === version?.layer)
    if (version === undefined || layer === undefined || version.expert >= layer.numExperts)
      throw new RangeError(`${name}: there is no such expert`)
    return layer.first + version.expert
  }

  return {
    all,
    originalOf,
    take(name) {
      const known = all.get(name)
      if (known !== undefined) return known
      const original = originalOf(name)
      const { first, numExperts, numInstances } = layers[layerOf[original]!]!
      const numPlaces = numInstances - numExperts
      const free = Array.from({ length: numPlaces }, (_, k) => first + numExperts + k).find(
        (instance) => files[instance] === undefined,
      )
      if (free === undefined)
        throw new RangeError(`${name}: its layer has room for ${numPlaces} other versions, all are in use`)
      const { entry } = files[original]!
      files[free] = {
        handle: openDirect(versionPath(preparedDir, name)),
        entry: { ...entry, offset: 0, checksum: parseExpertVersion(name)!.checksum },
      }
      expertIds[free] = expertIds[original]!
      all.set(name, free)
      return free
    },
    free(name) {
      const instance = all.get(name)!
      closeSync(files[instance]!.handle)
      files[instance] = undefined
      all.delete(name)
    },
    close() {
      for (const instance of all.values()) closeSync(files[instance]!.handle)
    },
  }
}
