import { expect, test } from "bun:test"
import { parseShape } from "../generate/parseShape.ts"
import { parseRows, sizesOf } from "./GpuSizes.ts"

test("sizesOf: a shape's experts and heads, whether its config names their sizes or they follow from others", () => {
  expect(sizesOf(parseShape("qwen3-30b-a3b"))).toEqual({
    hiddenSize: 2048,
    expertIntermediateSize: 768,
    numExperts: 128,
    topK: 8,
    numHeads: 32,
    numKvHeads: 4,
    headDim: 128,
  })
  expect(sizesOf(parseShape("olmoe-1b-7b"))).toMatchObject({ expertIntermediateSize: 1024, headDim: 128 })
})

test("parseRows: numbers of rows, rising, and an error that shows some on anything else", () => {
  expect(parseRows(undefined)).toBeUndefined()
  expect(parseRows("1,8,512")).toEqual([1, 8, 512])
  for (const text of ["", "0", "8,1", "1,1", "1.5", "many"])
    expect(() => parseRows(text)).toThrow(`--rows ${text}: expected whole numbers above 0, rising, as in 1,8,512`)
})
