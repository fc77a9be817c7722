import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { readWordNet } from "./readWordNet.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-wordnet-"))
afterAll(() => rmSync(dir, { recursive: true }))

test("readWordNet: known words stand before their definition, examples by themselves, the licence is none", () => {
  const noun = `  1 This software and database is being provided
02961779 06 n 02 car 0 motor_vehicle 0 001 @ 03796768 n 0000 | a machine with four wheels; "he needs a car to get to work"; "a car"
00000002 06 n 01 zzyzx 0 000 | a place in the desert
`
  for (const part of ["noun", "verb", "adj", "adv"])
    writeFileSync(join(dir, `data.${part}`), part === "noun" ? noun : "")
  expect(readWordNet(dir, (word) => word === "car")).toEqual([
    "car, motor vehicle: a machine with four wheels",
    "he needs a car to get to work",
  ])
})
