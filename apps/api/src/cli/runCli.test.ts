import { expect, test } from "bun:test"
import { join } from "node:path"

/** Paths of all modules that are loaded before a command begins. */
function loadedAtStart(): readonly string[] {
  const script = `
    await import(${JSON.stringify(join(import.meta.dir, "runCli.ts"))})
    process.stdout.write(JSON.stringify(Object.keys(require.cache)))`
  return JSON.parse(Bun.spawnSync([process.execPath, "-e", script]).stdout.toString()) as string[]
}

test("runCli: what few commands need is not loaded at every start", () => {
  const loaded = loadedAtStart()
  expect(loaded).toContainEqual(expect.stringContaining("packages/serving/src/index.ts"))
  expect(loaded.filter((path) => /packages\/onnx\/|onnxruntime|packages\/(fleet|agent)\//.test(path))).toEqual([])
})
