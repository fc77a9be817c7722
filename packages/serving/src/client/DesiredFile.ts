import { pruneVersions } from "@consilium/model"
import { Schema } from "effect"
import { readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Desired, NOTHING_DESIRED } from "../control.ts"

const FILE = "desired.json"
const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Desired))

/** What operators want of a model, kept beside its manifest. */
export interface DesiredFile {
  /** Returns what was kept, and removes old versions of experts that it does not name; nothing where there is none, or none that can be read. */
  load(): Desired
  /** Keeps it, whole or not at all; what goes wrong is said in one line, and the service goes on with what is wanted. */
  save(desired: Desired): void
  /** Lets the next writes find no room, as a fault. */
  failNext(numWrites: number): void
}

/** @param say is told in one line of what could not be read or written */
export function createDesiredFile(preparedDir: string, say: (line: string) => void): DesiredFile {
  const path = join(preparedDir, FILE)
  let numFailing = 0

  const prune = ({ versions, canary, earlier }: Desired): void => {
    const names = [versions, canary?.versions ?? [], ...earlier.map((of) => of.versions)].flat()
    try {
      pruneVersions(preparedDir, new Set(names.filter((name) => name !== null)), Date.now())
    } catch (error) {
      say(`${preparedDir}: versions that nobody wants any more stay (${(error as Error).message})`)
    }
  }

  return {
    load() {
      let text: string
      try {
        text = readFileSync(path, "utf8")
      } catch {
        return NOTHING_DESIRED
      }
      try {
        const desired = decode(text)
        prune(desired)
        return desired
      } catch (error) {
        say(
          `${path}: expected what operators wanted, found something else (${(error as Error).message}): it is left aside`,
        )
        return NOTHING_DESIRED
      }
    },
    save(desired) {
      const draft = `${path}.draft`
      try {
        if (numFailing > 0 && numFailing-- > 0) throw new Error("ENOSPC: no space left on device (injected)")
        writeFileSync(draft, `${JSON.stringify(desired, null, 2)}\n`)
        renameSync(draft, path)
      } catch (error) {
        say(`${path}: cannot be written (${(error as Error).message}): what was asked holds until the service ends`)
      }
    },
    failNext: (numWrites) => void (numFailing += numWrites),
  }
}
