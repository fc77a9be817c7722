import type { Arena, Rows } from "@consilium/kernels"

type Shape = readonly [numRows: number, width: number]

/** Allocates rows of each shape, all or none. @throws Error as `arena.rows` does, with what was allocated given back */
export function allocateRows<const S extends readonly Shape[]>(arena: Arena, shapes: S): { [K in keyof S]: Rows } {
  const allocated: Rows[] = []
  try {
    for (const [numRows, width] of shapes) allocated.push(arena.rows(numRows, width))
  } catch (error) {
    for (const { span } of allocated) arena.free(span)
    throw error
  }
  return allocated as { [K in keyof S]: Rows }
}
