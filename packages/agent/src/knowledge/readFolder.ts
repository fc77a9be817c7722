import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs"
import { basename, join } from "node:path"
import { StoreError } from "../store/StoreError.ts"

/** A handbook is smaller: what is larger is data. */
const MOST_BYTES = 4 * 2 ** 20
const DEEPEST = 16

/** A file that is not read, and why. */
export interface SkippedFile {
  readonly name: string
  readonly why: string
}

interface FolderFile {
  /** Its path within the folder, with `/`. */
  readonly name: string
  readonly read: () => string
}

/**
 * Lists the documents of a folder, in the order of their names: `.md` and `.txt`, without hidden ones; a file is a folder of itself.
 *
 * Links are not followed: what they point at may lie anywhere.
 *
 * @throws StoreError where it cannot be read
 */
export function readFolder(dir: string): {
  /** Its real path. */
  readonly folder: string
  readonly files: readonly FolderFile[]
  readonly skipped: readonly SkippedFile[]
} {
  const files: FolderFile[] = []
  const skipped: SkippedFile[] = []
  const visit = (within: string, depth: number): void => {
    const entries = readdirSync(join(folder, within), { withFileTypes: true })
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith(".")) continue
      const name = within === "" ? entry.name : `${within}/${entry.name}`
      const path = join(folder, name)
      if (entry.isSymbolicLink()) skipped.push({ name, why: "a link" })
      else if (entry.isDirectory() && depth === DEEPEST) skipped.push({ name, why: `deeper than ${DEEPEST} folders` })
      else if (entry.isDirectory()) visit(name, depth + 1)
      else take(name, path)
    }
  }
  const take = (name: string, path: string): void => {
    const stat = statSync(path)
    if (!stat.isFile() || !/\.(md|txt)$/i.test(name)) skipped.push({ name, why: "neither .md nor .txt" })
    else if (stat.size > MOST_BYTES) skipped.push({ name, why: `larger than ${MOST_BYTES / 2 ** 20} MiB` })
    else files.push({ name, read: () => readFileSync(path, "utf8") })
  }
  let folder = dir
  try {
    folder = realpathSync(dir)
    if (statSync(folder).isFile()) take(basename(folder), folder)
    else visit("", 1)
  } catch (error) {
    const message = `${dir}: expected a folder of documents, found ${(error as Error).message}`
    throw new StoreError({ message, cause: error })
  }
  return { folder, files, skipped }
}
