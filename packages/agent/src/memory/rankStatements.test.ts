import { expect, test } from "bun:test"
import fc from "fast-check"
import { rankStatements, type Statement } from "./rankStatements.ts"

const said = (id: number, text: string, more: Partial<Statement> = {}): Statement => ({
  id,
  text,
  kind: undefined,
  atMs: 0,
  vector: undefined,
  ...more,
})
const ids = (statements: readonly Statement[], text: string, vector?: Float32Array): number[] =>
  rankStatements(statements, { text, vector, nowMs: 0 }).map(({ id }) => id)

test("rankStatements: the nearest comes first, then what is unlike it before more of the same", () => {
  const statements = [
    said(1, "The kettle leaks at the blue handle today"),
    said(2, "The kettle leaks at the blue handle again"),
    said(3, "The kettle leaks at the blue handle still"),
    said(4, "My kettle came without a lid, says the box"),
  ]
  expect(ids(statements, "The kettle leaks at the handle")).toEqual([1, 4, 2, 3])
})

test("rankStatements: rare words count more than common ones, whatever their form", () => {
  const statements = [
    ...Array.from({ length: 9 }, (_, i) => said(i, `Parcel number ${i} is late`)),
    said(10, "Their courier was friendly"),
  ]
  expect(ids(statements, "a late parcel and the friendliest couriers")[0]).toBe(10)
})

test("rankStatements: what shares nothing is left out, facts are not", () => {
  const statements = [said(1, "The lamp is red"), said(2, "I live in Lyon", { kind: "home" })]
  expect(ids(statements, "kettle")).toEqual([2])
  expect(ids([], "kettle")).toEqual([])
  expect(ids(statements, "")).toEqual([2])
})

test("rankStatements: meaning and words are fused by rank", () => {
  const statements = [
    said(1, "The lamp is red", { vector: Float32Array.of(1, 0) }),
    said(2, "The kettle is red", { vector: Float32Array.of(0, 1) }),
    said(3, "The boiler hums", { vector: Float32Array.of(1, 0.1) }),
  ]
  expect(ids(statements, "kettle")).toEqual([2])
  expect(ids(statements, "what lights the room", Float32Array.of(1, 0))).toEqual([1, 3])
  expect(ids(statements, "red lamp", Float32Array.of(1, 0))[0]).toBe(1)
})

test("rankStatements: returns some of what it was given, each once, the same every time", () => {
  const statement = fc.record({
    text: fc.string({ maxLength: 30 }),
    kind: fc.option(fc.constant("name"), { nil: undefined }),
    atMs: fc.nat(),
  })
  fc.assert(
    fc.property(fc.array(statement, { maxLength: 40 }), fc.string({ maxLength: 30 }), (list, text) => {
      const statements = list.map((one, id) => said(id, one.text, one))
      const ranked = ids(statements, text)
      expect(new Set(ranked).size).toBe(ranked.length)
      expect(ranked.every((id) => id < list.length)).toBe(true)
      expect(ids(statements, text)).toEqual(ranked)
    }),
  )
})
