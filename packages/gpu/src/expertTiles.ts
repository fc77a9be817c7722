import type { ExpertRows } from "@consilium/kernels"
import type { GpuHeap, HeapPlace } from "./GpuHeaps.ts"
import type { TiledRows } from "./runRows.ts"
import type { Tile } from "./ProductKind.ts"

/** An expert's rows are cut to tiles. */
export interface ExpertTiles {
  /** `[numTiles, 4]`: the heap's id, the slab's first word, the first row, the number of rows; those of a heap side by side. */
  readonly tiles: Uint32Array
  readonly parts: TiledRows["parts"]
}

/** Lists the tiles of a plan. @param places of the experts that run */
export function expertTiles(
  { offsets }: ExpertRows,
  places: readonly (HeapPlace | undefined)[],
  tile: Tile,
): ExpertTiles {
  const ofHeaps = new Map<GpuHeap, number[]>()
  for (const [e, place] of places.entries()) {
    if (place === undefined) continue
    const values = ofHeaps.get(place.heap) ?? []
    ofHeaps.set(place.heap, values)
    for (let row = offsets[e]!; row < offsets[e + 1]!; row += tile)
      values.push(place.heap.id, place.word, row, Math.min(tile, offsets[e + 1]! - row))
  }
  const tiles: number[] = []
  const parts = Array.from(ofHeaps, ([heap, values]) => {
    const firstTile = tiles.length / 4
    for (const value of values) tiles.push(value)
    return { heap, firstTile, numTiles: values.length / 4 }
  })
  return { tiles: Uint32Array.from(tiles), parts }
}
