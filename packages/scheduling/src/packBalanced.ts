/** Items in packs of equally many: `packs[i]` is where item i lies, `ranks[i]` its place in there. */
export interface Packing {
  readonly packs: Int32Array
  readonly ranks: Int32Array
}

/**
 * Packs items into packs of equally many: the heaviest first, each into the lightest pack that has room; ties go to the lower item and pack.
 *
 * With labels, no pack holds two items of one label unless there are more of them than packs: items avoid packs that hold their label, and
 * where the last ones cannot, they change places with others.
 *
 * @param labels one for each item
 * @see `balanced_packing`, deepseek-ai/EPLB `eplb.py`; the labels are ours
 */
export function packBalanced(weights: ArrayLike<number>, numPacks: number, labels?: ArrayLike<number>): Packing {
  const numItems = weights.length
  const room = numItems / numPacks
  if (!Number.isInteger(room)) throw new Error(`${numItems} items do not fill ${numPacks} packs evenly`)
  if (room === 1) return { packs: Int32Array.from(weights, (_, i) => i), ranks: new Int32Array(numItems) }
  const order = Array.from({ length: numItems }, (_, i) => i).sort((a, b) => weights[b]! - weights[a]!)
  const packs = Array.from({ length: numPacks }, (): number[] => [])
  const loads = new Float64Array(numPacks)
  for (const item of order) {
    const lightest = (isOpen: (pack: number) => boolean): number => {
      let best = -1
      for (let pack = 0; pack < numPacks; pack++) {
        const isBetter = best < 0 || loads[pack]! < loads[best]!
        if (packs[pack]!.length < room && isBetter && isOpen(pack)) best = pack
      }
      return best
    }
    const apart = lightest((pack) => labels === undefined || !packs[pack]!.some((one) => labels[one] === labels[item]))
    const pack = apart >= 0 ? apart : lightest(() => true)
    packs[pack]!.push(item)
    loads[pack]! += weights[item]!
  }
  if (labels !== undefined) separate(packs, loads, weights, labels)

  const packing = { packs: new Int32Array(numItems), ranks: new Int32Array(numItems) }
  for (const [pack, items] of packs.entries()) {
    for (const [rank, item] of items.entries()) {
      packing.packs[item] = pack
      packing.ranks[item] = rank
    }
  }
  return packing
}

/**
 * Exchanges items until no pack holds two of one label, of the exchanges that help the one with the lightest heavier pack.
 *
 * Each leaves fewer twins. One exists while a label has a twin and a pack without it: that pack either has a label that the twin's pack lacks, or,
 * having no more labels than that, a twin of its own to give away.
 */
function separate(
  packs: readonly number[][],
  loads: Float64Array,
  weights: ArrayLike<number>,
  labels: ArrayLike<number>,
): void {
  const numOf = (pack: number, label: number): number => packs[pack]!.filter((item) => labels[item] === label).length
  const numTwins = packs.reduce((sum, items) => sum + items.length - new Set(items.map((item) => labels[item])).size, 0)
  for (let left = numTwins; left > 0; left--) {
    let best: { from: number; to: number; i: number; j: number; heavier: number } | undefined
    for (let from = 0; from < packs.length; from++) {
      for (const [i, item] of packs[from]!.entries()) {
        if (numOf(from, labels[item]!) < 2) continue
        for (let to = 0; to < packs.length; to++) {
          if (numOf(to, labels[item]!) > 0) continue
          for (const [j, other] of packs[to]!.entries()) {
            if (numOf(from, labels[other]!) > 0 && numOf(to, labels[other]!) < 2) continue
            const change = weights[other]! - weights[item]!
            const heavier = Math.max(loads[from]! + change, loads[to]! - change)
            if (best === undefined || heavier < best.heavier) best = { from, to, i, j, heavier }
          }
        }
      }
    }
    if (best === undefined) return
    const { from, to, i, j } = best
    const [item, other] = [packs[from]![i]!, packs[to]![j]!]
    packs[from]![i] = other
    packs[to]![j] = item
    loads[from]! += weights[other]! - weights[item]!
    loads[to]! += weights[item]! - weights[other]!
  }
}
