import { expect, test } from "bun:test"
import { versionPath } from "@consilium/model"
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { NOTHING_DESIRED } from "../control.ts"
import { createDesiredFile } from "./DesiredFile.ts"

const [WANTED, EARLIER, NOBODYS] = ["1-2-0123456789abcdef", "1-2-00000000000000aa", "1-3-00000000000000bb"] as const

/** A prepared model's folder with three old versions; returns whose are there. */
function withVersions(body: (dir: string, left: () => string[]) => void): void {
  const dir = mkdtempSync(join(tmpdir(), "consilium-desired-"))
  try {
    mkdirSync(dirname(versionPath(dir, WANTED)))
    for (const name of [WANTED, EARLIER, NOBODYS]) {
      writeFileSync(versionPath(dir, name), "slab")
      utimesSync(versionPath(dir, name), 1000, 1000)
    }
    body(dir, () => [WANTED, EARLIER, NOBODYS].filter((name) => existsSync(versionPath(dir, name))))
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

test("createDesiredFile: what was kept is loaded, and versions that it does not name go", () =>
  withVersions((dir, left) => {
    const said: string[] = []
    const desired = {
      ...NOTHING_DESIRED,
      versions: [WANTED],
      earlier: [{ layer: 1, expert: 2, versions: [null, EARLIER] }],
    }
    createDesiredFile(dir, (line) => said.push(line)).save(desired)
    expect(createDesiredFile(dir, (line) => said.push(line)).load()).toEqual(desired)
    expect(left()).toEqual([WANTED, EARLIER])
    expect(said).toEqual([])
  }))

test("createDesiredFile: a file that says nothing, or none, takes no version along", () =>
  withVersions((dir, left) => {
    const said: string[] = []
    const file = createDesiredFile(dir, (line) => said.push(line))
    expect(file.load()).toEqual(NOTHING_DESIRED)
    writeFileSync(join(dir, "desired.json"), `{ "versions": ["${WANTED}"] }`)
    expect(file.load()).toEqual(NOTHING_DESIRED)
    expect(said).toHaveLength(1)
    expect(said[0]).toContain("it is left aside")
    expect(left()).toEqual([WANTED, EARLIER, NOBODYS])
  }))
