import type { ExpertGrid } from "./EvictionPolicy.ts"

/** The awake experts of each layer as a heap, the one with the least key on top; ties go to the lower index. */
export interface AwakeHeaps {
  /** Of every expert, asleep or awake. Read only: `setKey` and `scaleKeys` write. */
  readonly keys: Float64Array
  setKey(expert: number, key: number): void
  /** Multiplies all keys by a positive factor, which leaves their order. */
  scaleKeys(factor: number): void
  /** Adds an expert that is not there. */
  add(expert: number): void
  /** Removes an expert that is there. */
  remove(expert: number): void
  /** Returns the layer's evictable expert of the least key, -1 where there is none. */
  least(layer: number, isEvictable: (expert: number) => boolean): number
}

/** Allocates for a whole model: each layer's heap has room for all of its experts. */
export function createAwakeHeaps({ numLayers, numExperts }: ExpertGrid): AwakeHeaps {
  const keys = new Float64Array(numLayers * numExperts)
  /** Layer l's heap is `members[l * numExperts ..]`, `sizes[l]` of them. */
  const members = new Int32Array(numLayers * numExperts)
  const sizes = new Int32Array(numLayers)
  /** Where in its heap an expert is; -1 where it is not. */
  const places = new Int32Array(numLayers * numExperts).fill(-1)

  const isBefore = (a: number, b: number): boolean => keys[a]! < keys[b]! || (keys[a] === keys[b] && a < b)

  const put = (expert: number, first: number, place: number): void => {
    members[first + place] = expert
    places[expert] = place
  }

  /** Moves an expert up, then down, from a place that is its own or free. */
  const settle = (expert: number, first: number, size: number, from: number): void => {
    let place = from
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!isBefore(expert, members[first + parent]!)) break
      put(members[first + parent]!, first, place)
      place = parent
    }
    for (;;) {
      let child = 2 * place + 1
      if (child >= size) break
      if (child + 1 < size && isBefore(members[first + child + 1]!, members[first + child]!)) child++
      if (!isBefore(members[first + child]!, expert)) break
      put(members[first + child]!, first, place)
      place = child
    }
    put(expert, first, place)
  }

  return {
    keys,
    setKey(expert, key) {
      keys[expert] = key
      const layer = Math.floor(expert / numExperts)
      if (places[expert]! >= 0) settle(expert, layer * numExperts, sizes[layer]!, places[expert]!)
    },
    scaleKeys(factor) {
      for (let expert = 0; expert < keys.length; expert++) keys[expert]! *= factor
    },
    add(expert) {
      if (places[expert]! >= 0) throw new Error(`expert ${expert} is awake already`)
      const layer = Math.floor(expert / numExperts)
      const size = ++sizes[layer]!
      settle(expert, layer * numExperts, size, size - 1)
    },
    remove(expert) {
      const place = places[expert]!
      if (place < 0) throw new Error(`expert ${expert} is not awake`)
      const layer = Math.floor(expert / numExperts)
      const first = layer * numExperts
      const size = --sizes[layer]!
      const last = members[first + size]!
      places[expert] = -1
      if (last !== expert) settle(last, first, size, place)
    },
    least(layer, isEvictable) {
      const first = layer * numExperts
      const size = sizes[layer]!
      if (size > 0 && isEvictable(members[first]!)) return members[first]!
      let least = -1
      for (let place = 1; place < size; place++) {
        const expert = members[first + place]!
        if ((least < 0 || isBefore(expert, least)) && isEvictable(expert)) least = expert
      }
      return least
    },
  }
}
