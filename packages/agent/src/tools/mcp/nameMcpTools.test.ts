import { expect, test } from "bun:test"
import { nameMcpTools } from "./nameMcpTools.ts"

test("nameMcpTools: the server's name comes first and odd characters are replaced", () => {
  expect(nameMcpTools("files", ["read", "read/all", "löschen"])).toEqual([
    "files_read",
    "files_read_all",
    "files_l_schen",
  ])
})

test("nameMcpTools: names stay unique within 64 characters", () => {
  const names = nameMcpTools("files", ["x".repeat(80), `${"x".repeat(80)}y`, "a.b", "a/b", "a_b"])
  expect(new Set(names).size).toBe(5)
  for (const name of names) expect(name).toMatch(/^[A-Za-z0-9_-]{1,64}$/)
  expect(names.slice(2)).toEqual(["files_a_b", "files_a_b_2", "files_a_b_3"])
})
