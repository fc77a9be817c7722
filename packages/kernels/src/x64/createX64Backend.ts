/**
 * The backend in machine code that is written at start: products, experts, attention and rows at the machine's limit.
 *
 * A slab in the arena is an expert as it is: opening one is an address. A row's bits depend neither on its neighbours nor on the number of hosts.
 */
import type { Arena } from "../Arena.ts"
import type { Backend, Slab } from "../Backend.ts"
import { embedRows } from "../openMatrix.ts"
import { checkWidths, matrixOf } from "../slabChecks.ts"
import { Assembler } from "./Assembler.ts"
import { createAttend } from "./createAttend.ts"
import { createCodeSpace } from "./executableMemory.ts"
import { createHostPool } from "./HostPool.ts"
import type { Isa } from "./Isa.ts"
import { createKernelCache } from "./KernelCache.ts"
import { type RowPlan, runExperts } from "./runExperts.ts"
import { runAddScaled, runCombine, runNorm } from "./runRows.ts"
import { runProduct } from "./runProduct.ts"
import { createGrowingMemory, placeRows, type X64Context } from "./X64Context.ts"
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
    embed: (out, ids, numIds, slab) => embedRows(out.values, ids, numIds, opened(slab).open!),
    matmul(out, x, numRows, slab) {
      const { numRows: outWidth, numColumns } = matrixOf(slab)
      checkWidths("matmul", out, outWidth, x, numColumns)
      runProduct(
        context,
        memory.activations,
        placeRows(context, out),
        placeRows(context, x),
        numRows,
        opened(slab).matrix!,
      )
    },
    expert(out, x, firstRow, numRows, slab) {
      const { layout } = slab
      if (layout.kind !== "expert") throw new Error("x64: expert() wants an expert slab")
      checkWidths("expert", out, layout.downProj.numRows, x, layout.upProj.numColumns)
      const [to, from] = [placeRows(context, out, firstRow), placeRows(context, x, firstRow)]
      runExperts(context, memory, to, from, inOrder(numRows), [opened(slab)])
    },
    experts(out, outputs, x, plan, slabs) {
      for (let e = 0; e < slabs.length; e++) opened(slabs[e]!)
      const rows = placeRows(context, outputs)
      runExperts(context, memory, rows, placeRows(context, x), plan, slabs as readonly X64Slab[])
      runCombine(context, placeRows(context, out), rows, plan)
    },
    attend: createAttend(context),
    norm: (out, x, numRows, weight, epsilon) =>
      runNorm(context, placeRows(context, out), placeRows(context, x), numRows, weight, epsilon),
    addScaled: (out, x, numRows, factors) =>
      runAddScaled(context, placeRows(context, out), placeRows(context, x), numRows, factors),
    close() {
      context.hosts.close()
      for (const { free } of memories) free()
      space.close()
    },
  }
}
