import { afterAll, expect, test } from "bun:test"
import fc from "fast-check"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseCsv } from "./parseCsv.ts"
import { readExamples, type TargetColumns } from "./readExamples.ts"
import { splitExamples } from "./splitExamples.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-examples-"))
afterAll(() => rmSync(dir, { recursive: true }))

const fieldsOf = (text: string): (readonly string[])[] => parseCsv(text, "x.csv").rows.map(({ fields }) => fields)

function read(text: string | Uint8Array, targets: TargetColumns = { label: "label" }, textColumn = "text") {
  const path = join(dir, "x.csv")
  writeFileSync(path, text)
  return readExamples([path], textColumn, targets)
}

test("csv: quotes hold commas, quotes and line ends; a mark at the file's start and empty lines are passed over", () => {
  expect(fieldsOf('\uFEFFtext,label\r\n"a, ""b""\nc",x\r\n\r\n,y\n"",z')).toEqual([
    ['a, "b"\nc', "x"],
    ["", "y"],
    ["", "z"],
  ])
})

test("csv: any table that is written is read back", () => {
  const field = fc.string({ unit: fc.constantFrom(..."ab,\"\n\r 银;'"), maxLength: 6 })
  fc.assert(
    fc.property(fc.array(fc.tuple(field, field), { maxLength: 6 }), (rows) => {
      const quoted = rows.map((row) => row.map((text) => `"${text.replaceAll('"', '""')}"`).join(","))
      expect(fieldsOf(["p,q", ...quoted].join("\n"))).toEqual(rows)
    }),
  )
})

test("csv: an error names the line that a person sees", () => {
  const parse = (text: string) => () => parseCsv(text, "x.csv")
  expect(parse("")).toThrow("x.csv: expected a first row with the columns' names, found none")
  expect(parse("a,a\n")).toThrow('x.csv: line 1: expected different columns, found "a" twice')
  expect(parse('a,b\n"1\n2",3\n4\n')).toThrow("x.csv: line 4: expected 2 fields (a, b), found 1")
  expect(parse('a,b\n1,"2\n3')).toThrow("x.csv: line 2: expected the quote that ends a field, found the file's end")
  expect(parse('a,b\n"1"2,3')).toThrow(
    'x.csv: line 2: expected a comma or a line\'s end behind a quoted field, found "2"',
  )
})

test("examples: a label, or who of two was right, and what the request was asked with", () => {
  const { experts, examples } = read("text,label,tools,images\nhi,b,true,0\n你好,a,no,2\n")
  expect(experts).toEqual(["a", "b"])
  expect(examples[0]).toEqual({ request: { text: "hi", hasTools: true, numImages: 0 }, targets: Float32Array.of(0, 1) })
  expect(examples[1]!.request).toEqual({ text: "你好", hasTools: false, numImages: 2 })
  const pair = read("prompt,small,large\nq,False,True\n", { cheap: "small", strong: "large" }, "prompt")
  expect(pair.experts).toEqual(["small", "large"])
  expect(pair.examples[0]!.targets).toEqual(Float32Array.of(0, 1))
})

test("examples: what cannot be is refused with file, line and cure", () => {
  expect(() => read("question,label\na,b\n")).toThrow("expected a column text, found question, label")
  expect(() => read("text,label\na,b\n ,c\n")).toThrow("line 3: text: expected a text, found none")
  expect(() => read("text,label\na,b\nc,\n")).toThrow("line 3: label: expected an expert's name, found none")
  expect(() => read("text,label\na,b\nc,b\n")).toThrow("expected examples of two experts or more, found 1")
  expect(() => read("text,label,images\na,b,some\n")).toThrow("line 2: images: expected a whole number, found some")
  expect(() => read("text,s,l\na,1,maybe\n", { cheap: "s", strong: "l" })).toThrow(
    'line 2: l: expected true or false, found "maybe"',
  )
  expect(() => read(Uint8Array.of(0xff, 0xfe, 0x41))).toThrow("expected text in UTF-8, found other bytes")
  expect(() => readExamples([join(dir, "none.csv")], "text", { label: "label" })).toThrow(
    "expected a readable file of examples, found ENOENT",
  )
})

test("split: seeded, nothing lost or doubled, each stratum in proportion", () => {
  const items = Array.from({ length: 200 }, (_, i) => i)
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const { held, rest } = splitExamples(items, (i) => i % 4, 0.2, seed)
      expect([...held, ...rest].sort((a, b) => a - b)).toEqual(items)
      for (let stratum = 0; stratum < 4; stratum++) expect(held.filter((i) => i % 4 === stratum)).toHaveLength(10)
      expect(splitExamples(items, (i) => i % 4, 0.2, seed).held).toEqual(held)
    }),
    { numRuns: 30 },
  )
  expect(splitExamples([1], () => "alone", 0.9, 1)).toEqual({ held: [], rest: [1] })
})
