import { noise } from "@consilium/tensor"
import type { Backend, Slab } from "./Backend.ts"
import { type ExpertTensors, packExpertSlab } from "./packSlab.ts"
import { type ExpertShape, planExpertSlab, type SlabLayout } from "./SlabLayout.ts"

/** Runs `body` with a slab that is packed and opened for it; closes and frees it, also on a throw. */
export function withSlab<T>(
  backend: Backend,
  layout: SlabLayout,
  pack: (bytes: Uint8Array) => void,
  body: (slab: Slab) => T,
): T {
  const { arena } = backend
  const span = arena.allocate(layout.bytes)
  try {
    pack(arena.bytes(span))
    const slab = backend.openSlab(span, layout)
    try {
      return body(slab)
    } finally {
      backend.closeSlab(slab)
    }
  } finally {
    arena.free(span)
  }
}

/** The same with experts of one shape, each of noise of its own. */
export function withExpertSlabs<T>(
  backend: Backend,
  shape: ExpertShape,
  numExperts: number,
  body: (slabs: readonly Slab[]) => T,
): T {
  const layout = planExpertSlab(shape)
  const open = (slabs: readonly Slab[]): T => {
    if (slabs.length === numExperts) return body(slabs)
    const pack = (bytes: Uint8Array): void => packExpertSlab(bytes, layout, expertNoise(shape, 10 * slabs.length))
    return withSlab(backend, layout, pack, (slab) => open([...slabs, slab]))
  }
  return open([])
}

/** Returns an expert's weights and biases as noise. */
export function expertNoise(
  { hiddenSize, intermediateSize, hasGateProj, hasBias }: ExpertShape,
  seed: number,
): ExpertTensors {
  const size = intermediateSize * hiddenSize
  return {
    ...(hasGateProj && { gateProj: noise(size, seed + 1, 0.1) }),
    upProj: noise(size, seed + 2, 0.1),
    downProj: noise(size, seed + 3, 0.1),
    ...(hasGateProj && hasBias && { gateBias: noise(intermediateSize, seed + 4, 0.1) }),
    ...(hasBias && {
      upBias: noise(intermediateSize, seed + 5, 0.1),
      downBias: noise(hiddenSize, seed + 6, 0.1),
    }),
  }
}
