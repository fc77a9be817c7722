import { expect } from "bun:test"
import { readFixtureJson, sharedPath } from "@consilium/testing"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

interface Greedy {
  readonly ids: number[]
  readonly margins: number[]
}
interface Expected {
  readonly prompts: Record<string, { readonly ids: number[] }>
  readonly greedy: Record<string, Record<string, Greedy>>
  readonly perplexity: { readonly ids: number[]; readonly variants: Record<string, { readonly perplexity: number }> }
}

/** A lead smaller than this may be decided by rounding: nothing after it is compared. */
const NEAR_TIE = 2e-3
/** Ends its answers. */
export const STOP_ID = 2

/** Where the model is; undefined where the shared folder is not. */
export const smollm2Dir: string | undefined = sharedPath("models/smollm2-135m")

/** What transformers made of its variants. */
export function readExpected(): Expected {
  return readFixtureJson<Expected>(join(smollm2Dir!, "expected.json"))
}

/** Writes a variant, runs `body` on it, removes it. */
export async function withVariant(name: string, body: (dir: string) => Promise<void>): Promise<void> {
  const workDir = mkdtempSync(join(tmpdir(), "consilium-smollm2-"))
  try {
    const dir = join(workDir, name)
    const { exitCode, stderr } = Bun.spawnSync([process.execPath, join(smollm2Dir!, "make.ts"), name, dir])
    if (exitCode !== 0) throw new Error(`make.ts ${name}: ${stderr.toString()}`)
    await body(dir)
  } finally {
    rmSync(workDir, { recursive: true, force: true })
  }
}

/** Compares a greedy answer with transformers', up to a near-tie. */
export function compareGreedy(variant: string, prompt: string, ids: readonly number[]): void {
  const golden = readExpected().greedy[variant]![prompt]!
  const tie = golden.margins.findIndex((margin) => margin < NEAR_TIE)
  const differs = golden.ids.findIndex((id, i) => id !== ids[i])
  if (tie >= 0 && differs === tie)
    console.log(`${variant} ${prompt}: token ${tie} is a near-tie (margin ${golden.margins[tie]})`)
  const end = tie >= 0 && differs === tie ? tie : golden.ids.length
  expect(ids.slice(0, end), `${variant} ${prompt}`).toEqual(golden.ids.slice(0, end))
}
