import type { X64Context } from "./X64Context.ts"

/** Least values that are worth a task of their own. */
const TASK_VALUES = 1 << 15
/** Tasks for each host: more balance better, where one is put aside for a while. */
const TASKS_PER_HOST = 4

/** Cuts rows into tasks of `code` and runs them; `write` fills the record at `at` for rows `first .. first + count`. */
export function runRowParts(
  { hosts }: X64Context,
  code: number,
  numRows: number,
  valuesPerRow: number,
  write: (at: number, first: number, count: number) => void,
): void {
  const worth = Math.max(1, Math.floor((numRows * valuesPerRow) / TASK_VALUES))
  const numParts = Math.min(numRows, worth, hosts.numHosts * TASKS_PER_HOST)
  for (let part = 0; part < numParts; part++) {
    const first = Math.floor((numRows * part) / numParts)
    const end = Math.floor((numRows * (part + 1)) / numParts)
    write(hosts.add(code), first, end - first)
  }
  hosts.run()
}
