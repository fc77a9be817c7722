import type { Arena } from "./Arena.ts"
import { type Backend, type Op, PLAIN_OPS, type Slab } from "./Backend.ts"

/** What a slab may be asked for: a backend that takes a slab answers all of it. */
const OPS = { matrix: ["matmul", "embed"], expert: ["expert"] } as const satisfies Record<string, readonly Op[]>
/** What it passes on. Of steps it knows nothing: who has all of one needs no other. */
const PASSED_ON: ReadonlySet<Op> = new Set([...PLAIN_OPS, "experts", "combine"])

/**
 * Returns one backend of several: a slab goes to the first that supports all that may be asked of it, an operation without slab to the
 * first that supports it. Put `reference` last, and nothing is unsupported.
 *
 * A slab keeps the name of the backend that opened it. `close` closes them all.
 *
 * @param backends at least one, best first, all on `arena`
 * @throws Error where there is no backend or one on another arena; from a call that no backend supports
 */
export function composeBackends(arena: Arena, backends: readonly Backend[]): Backend {
  const [best] = backends
  if (best === undefined) throw new Error("composeBackends: expected at least one backend, found none")
  for (const { name, arena: other } of backends) {
    if (other !== arena) throw new Error(`composeBackends: ${name} works in another arena`)
  }
  const owners = new Map<Slab, Backend>()

  const ownerOf = (slab: Slab): Backend => {
    const owner = owners.get(slab)
    if (owner === undefined) throw new Error(`composeBackends: this slab of ${slab.backend} is not open`)
    return owner
  }
  const names = backends.map(({ name }) => name).join(", ")
  // Chosen once: these run in the step loop. Formats mean nothing to them.
  const withoutSlab = (op: Op): (() => Backend) => {
    const chosen = backends.find((backend) => backend.supports(op, "f32"))
    return () => {
      if (chosen === undefined) throw new Error(`composeBackends: none of ${names} supports ${op}`)
      return chosen
    }
  }
  const combiner = backends.find(({ combine }) => combine !== undefined)
  const [attend, norm, addScaled] = [withoutSlab("attend"), withoutSlab("norm"), withoutSlab("addScaled")]

  return {
    name: best.name,
    arena,
    cacheFormats: backends.find((backend) => backend.supports("attend", "f32"))?.cacheFormats ?? [],
    supports(op, format) {
      if (!PASSED_ON.has(op)) return false
      // All experts at once is for who also has the single one: that is where slabs go.
      const wanted = op === "experts" ? "expert" : op
      for (let b = 0; b < backends.length; b++) {
        if (backends[b]!.supports(wanted, format)) return backends[b]!.supports(op, format)
      }
      return false
    },
    openSlab(span, layout) {
      const ops = OPS[layout.kind]
      const owner = backends.find((backend) => ops.every((op) => backend.supports(op, layout.format)))
      if (owner === undefined) {
        throw new Error(`composeBackends: none of ${names} supports ${ops.join(" and ")} on ${layout.format}`)
      }
      const slab = owner.openSlab(span, layout)
      owners.set(slab, owner)
      return slab
    },
    numBytes: (slab) => ownerOf(slab).numBytes(slab),
    closeSlab(slab) {
      ownerOf(slab).closeSlab(slab)
      owners.delete(slab)
    },
    embed: (out, ids, numIds, slab) => ownerOf(slab).embed(out, ids, numIds, slab),
    matmul: (out, x, numRows, slab) => ownerOf(slab).matmul(out, x, numRows, slab),
    expert: (out, x, firstRow, numRows, slab) => ownerOf(slab).expert(out, x, firstRow, numRows, slab),
    experts(outputs, x, plan, slabs) {
      // Those of one call have one owner. One without rows may be closed.
      let e = 0
      while (e < slabs.length && (slabs[e] === undefined || plan.offsets[e + 1] === plan.offsets[e])) e++
      if (e === slabs.length) return
      const owner = ownerOf(slabs[e]!)
      if (owner.experts === undefined) throw new Error(`composeBackends: ${owner.name} does not support experts`)
      owner.experts(outputs, x, plan, slabs)
    },
    combine(out, outputs, plan) {
      if (combiner?.combine === undefined) throw new Error(`composeBackends: none of ${names} supports combine`)
      combiner.combine(out, outputs, plan)
    },
    attend: (out, qkv, slots, layer) => attend().attend(out, qkv, slots, layer),
    norm: (out, x, numRows, weight, epsilon) => norm().norm(out, x, numRows, weight, epsilon),
    addScaled: (out, x, numRows, factors) => addScaled().addScaled(out, x, numRows, factors),
    endHost: () => backends.some((backend) => backend.endHost?.() === true),
    kernelMs: () => backends.reduce((sum, backend) => sum + (backend.kernelMs?.() ?? 0), 0),
    close() {
      owners.clear()
      for (const backend of backends) backend.close()
    },
  }
}
