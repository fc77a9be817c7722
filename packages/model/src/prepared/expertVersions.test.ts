import { expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { pruneVersions, versionPath } from "./expertVersions.ts"

const DAY_MS = 86_400_000

test("pruneVersions: old versions that nobody wants go, and drafts; what is wanted, new or somebody else's stays", () => {
  const dir = mkdtempSync(join(tmpdir(), "consilium-versions-"))
  try {
    expect(pruneVersions(dir, new Set(), Date.now())).toBe(0)
    const nowMs = Date.now()
    const [wanted, old, fresh] = ["1-2-0123456789abcdef", "1-2-00000000000000aa", "1-3-00000000000000bb"] as const
    const folder = dirname(versionPath(dir, wanted))
    mkdirSync(folder)
    const write = (file: string, ageMs: number): void => {
      writeFileSync(join(folder, file), "slab")
      utimesSync(join(folder, file), (nowMs - ageMs) / 1000, (nowMs - ageMs) / 1000)
    }
    for (const file of [`${wanted}.slab`, `${old}.slab`, `${wanted}.slab.5b1c-1.draft`, "notes.txt", "1-2-xyz.slab"])
      write(file, 2 * DAY_MS)
    write(`${fresh}.slab`, DAY_MS / 2)
    expect(pruneVersions(dir, new Set([wanted]), nowMs)).toBe(2)
    expect(readdirSync(folder).sort()).toEqual([`${wanted}.slab`, "1-2-xyz.slab", `${fresh}.slab`, "notes.txt"].sort())
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
