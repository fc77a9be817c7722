import { ptr } from "bun:ffi"
import { afterAll, describe, expect, test } from "bun:test"
import { type Arena, BACKEND_CASES, checkCase, createReferenceBackend, type Span } from "@consilium/kernels"
import { createOnnxBackend } from "./index.ts"

/** An arena over one SharedArrayBuffer, which is what systems other than Linux have; what is freed is used again only when all is. */
function createSharedArena(bytes: number): Arena {
  const buffer = new SharedArrayBuffer(bytes)
  let [end, usedBytes] = [0, 0]
  const arena: Arena = {
    get usedBytes() {
      return usedBytes
    },
    numDomains: 1,
    domainOf: () => 0,
    allocate(size) {
      const offset = end
      end += Math.ceil(size / 64) * 64
      usedBytes += size
      return { segment: 0, offset, bytes: size }
    },
    free(span) {
      arena.bytes(span).fill(0)
      usedBytes -= span.bytes
      if (usedBytes === 0) end = 0
    },
    bytes: ({ offset, bytes: size }: Span) => new Uint8Array(buffer, offset, size),
    address: ({ offset }) => ptr(new Uint8Array(buffer)) + offset,
    rows(numRows, width) {
      const span = arena.allocate(numRows * width * 4)
      return { span, width, values: new Float32Array(buffer, span.offset, numRows * width) }
    },
    cacheRows(format, numRows, width) {
      if (format === "f32") return arena.rows(numRows, width)
      const span = arena.allocate(numRows * width * 2)
      return { span, width, format, words: new Int32Array(buffer, span.offset, (numRows * width) / 2) }
    },
    close() {},
  }
  return arena
}

const arena = createSharedArena(2 ** 22)
const onnx = createOnnxBackend(arena, { numThreads: 2 })
const reference = createReferenceBackend(arena)
afterAll(() => onnx.close())

describe("an arena over a SharedArrayBuffer", () => {
  test.each(BACKEND_CASES.map((item) => [item.name, item] as const))("%s", (_, item) => {
    expect(checkCase(item, onnx, reference)).toBeUndefined()
  })
})
