import { afterAll, expect, test } from "bun:test"
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type LlamaBenchRates, runLlamaBench } from "./runLlamaBench.ts"

const workDir = mkdtempSync(join(tmpdir(), "consilium-ik-"))
afterAll(() => rmSync(workDir, { recursive: true, force: true }))

/** A program in the place of llama-bench, which writes down its arguments. */
function runFake(script: string): Promise<LlamaBenchRates> {
  const path = join(workDir, "llama-bench")
  writeFileSync(path, `#!/bin/sh\necho "$@" > ${join(workDir, "arguments")}\n${script}\n`)
  chmodSync(path, 0o755)
  const { signal } = new AbortController()
  return runLlamaBench({
    path,
    ggufPath: "m.gguf",
    promptLength: 512,
    numSteps: 128,
    numThreads: 2,
    numRounds: 3,
    signal,
  })
}

test("runLlamaBench: takes the rates of prompt and generation from its JSON", async () => {
  const tests = [
    { n_prompt: 512, n_gen: 0, avg_ts: 240, samples_ts: [239, 241] },
    { n_prompt: 0, n_gen: 128, avg_ts: 38, samples_ts: [38] },
  ]
  expect(await runFake(`echo '${JSON.stringify(tests)}'`)).toEqual({ prefill: [239, 241], decode: [38] })
  const args = readFileSync(join(workDir, "arguments"), "utf8")
  for (const pair of ["-m m.gguf", "-p 512", "-n 128", "-t 2", "-r 3", "-o json"]) expect(args).toContain(pair)
})

test("runLlamaBench: says its last words when it fails, and what is missing when it does not", async () => {
  await expect(runFake("echo loading >&2; echo 'unknown architecture olmoe' >&2; exit 1")).rejects.toThrow(
    "ended with code 1: unknown architecture olmoe",
  )
  await expect(runFake("echo '[]'")).rejects.toThrow(
    "expected a test of the prompt and one of generation, found 0 others",
  )
})
