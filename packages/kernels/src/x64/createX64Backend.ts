/**
 * The backend in machine code that is written at start: products, experts, attention and rows at the machine's limit.
 *
 * A slab in the arena is an expert as it is: opening one is an address. A row's bits depend neither on its neighbours nor on the number of hosts.
 */
import type { Arena, Rows } from "../Arena.ts"
import type { Backend, Op, Slab } from "../Backend.ts"
import { embedRows } from "../openMatrix.ts"
import { checkNumRows, checkWidths, expertOf, matrixOf } from "../slabChecks.ts"
import { Assembler } from "./Assembler.ts"
import { createAttend } from "./createAttend.ts"
import { createCodeSpace } from "./executableMemory.ts"
import { createHostPool } from "./HostPool.ts"
import type { Isa } from "./Isa.ts"
import { createKernelCache } from "./KernelCache.ts"
import { type RowPlan, runExperts } from "./runExperts.ts"
import { runAddScaled, runCombine, runNorm } from "./runRows.ts"
import { runProduct } from "./runProduct.ts"
import { createGrowingMemory, type PlacedRows, placeRows, type X64Context } from "./X64Context.ts"
import { openX64Slab, type X64Slab } from "./X64Slab.ts"

export interface X64Options {
  readonly isa: Isa
  /** Hosts that share the work, this thread included. */
  readonly numThreads: number
  /** What products are written with, where it is not the plain assembler. */
  readonly createAssembler?: () => Assembler
}

/** Creates the backend and starts its hosts. @throws ExecutableMemoryError where the system forbids code made at run time */
export function createX64Backend(arena: Arena, options: X64Options): Backend {
  const { isa, numThreads, createAssembler = () => new Assembler(isa.vectorBytes) } = options
  const space = createCodeSpace()
  const kernels = createKernelCache(space)
  const context: X64Context = { arena, isa, kernels, hosts: createHostPool(arena, space, numThreads), createAssembler }
  const memories = [0, 1, 2].map(() => createGrowingMemory(arena))
  const memory = { activations: memories[0]!, tokens: memories[1]!, inner: memories[2]! }
  const open = new WeakSet<Slab>()

  const opened = (slab: Slab): X64Slab => {
    if (!open.has(slab)) throw new Error("x64: this slab is not open")
    return slab as X64Slab
  }

  const place = (op: Op, rows: Rows, numRows: number, width = rows.width): PlacedRows => {
    checkNumRows(op, rows, numRows, width)
    return placeRows(context, rows)
  }

  let order = new Int32Array()
  /** The plan of one expert that runs all rows. */
  const inOrder = (numRows: number): RowPlan => {
    if (order.length < numRows) order = Int32Array.from({ length: numRows }, (_, row) => row)
    return { numTokens: numRows, topK: 1, order, offsets: Int32Array.of(0, numRows) }
  }

  return {
    name: "x64",
    arena,
    supports: () => true,
    openSlab(span, layout) {
      if (span.bytes < layout.bytes)
        throw new Error(`x64: a slab of ${layout.bytes} bytes does not fit a span of ${span.bytes}`)
      const slab = openX64Slab(layout, arena.address(span), arena.bytes(span))
      open.add(slab)
      return slab
    },
    numBytes: ({ layout }) => layout.bytes,
    closeSlab: (slab) => void open.delete(slab),
    embed(out, ids, numIds, slab) {
      const { numColumns } = matrixOf(slab)
      checkNumRows("embed", out, numIds, numColumns)
      embedRows(out.values, ids, numIds, opened(slab).open!)
    },
    matmul(out, x, numRows, slab) {
      const { numRows: outWidth, numColumns } = matrixOf(slab)
      checkWidths("matmul", out, outWidth, x, numColumns)
      const [to, from] = [place("matmul", out, numRows), place("matmul", x, numRows)]
      runProduct(context, memory.activations, to, from, numRows, opened(slab).matrix!)
    },
    expert(out, x, firstRow, numRows, slab) {
      const { upProj, downProj } = expertOf(slab)
      checkWidths("expert", out, downProj.numRows, x, upProj.numColumns)
      for (const rows of [out, x]) checkNumRows("expert", rows, firstRow + numRows, rows.width)
      const [to, from] = [placeRows(context, out, firstRow), placeRows(context, x, firstRow)]
      runExperts(context, memory, to, from, inOrder(numRows), [opened(slab)])
    },
    experts(out, outputs, x, plan, slabs) {
      const { numTokens, topK, offsets, rows, weights } = plan
      for (let e = 0; e < slabs.length; e++) {
        // An expert without rows may be closed: it sleeps.
        if (offsets[e] === offsets[e + 1]) continue
        const { upProj, downProj } = expertOf(opened(slabs[e]!))
        for (const to of [out, outputs]) checkWidths("experts", to, downProj.numRows, x, upProj.numColumns)
      }
      if (Math.min(rows.length, weights.length) < numTokens * topK)
        throw new Error(
          `experts: expected ${numTokens * topK} assignments, found ${rows.length}, ${weights.length} weights`,
        )
      const to = place("experts", out, numTokens)
      const [perExpert, from] = [place("experts", outputs, offsets[slabs.length]!), place("experts", x, numTokens)]
      runExperts(context, memory, perExpert, from, plan, slabs as readonly X64Slab[])
      runCombine(context, to, perExpert, plan)
    },
    attend: createAttend(context),
    norm(out, x, numRows, weight, epsilon) {
      const [to, from] = [place("norm", out, numRows, weight.length), place("norm", x, numRows, weight.length)]
      runNorm(context, to, from, numRows, weight, epsilon)
    },
    addScaled(out, x, numRows, factors) {
      const [to, from] = [place("addScaled", out, numRows), place("addScaled", x, numRows, out.width)]
      if (factors !== undefined && factors.length < numRows)
        throw new Error(`addScaled: expected ${numRows} factors, found ${factors.length}`)
      runAddScaled(context, to, from, numRows, factors)
    },
    kernelMs: () => context.hosts.elapsedMs,
    close() {
      context.hosts.close()
      for (const { free } of memories) free()
      space.close()
    },
  }
}
