import { expect, test } from "bun:test"
import { sampleTogether } from "./sampleTogether.ts"

const never = new AbortController().signal
const onTurn = (): void => {}

function spin(ms: number): () => void {
  return () => {
    const until = performance.now() + ms
    while (performance.now() < until);
  }
}

test("sampleTogether: contenders take turns, and a slow one has a sample in each", async () => {
  const order: string[] = []
  const noting = (name: string): { name: string; run: () => void } => {
    const wait = spin(3)
    return { name, run: () => (order.at(-1) !== name && order.push(name), wait()) }
  }
  const samples = await sampleTogether([noting("a"), noting("b")], { timeMs: 4, signal: never, onTurn })
  // A warm-up and four turns each.
  expect(order.join("")).toBe("ababababab")
  for (const name of ["a", "b"]) {
    expect(samples.get(name)!.length).toBeGreaterThanOrEqual(4)
    for (const ms of samples.get(name)!) expect(ms).toBeGreaterThanOrEqual(3)
  }
})

test("sampleTogether: a sample of many short calls is the time of one of them", async () => {
  let numCalls = 0
  const wait = spin(0.05)
  const run = (): void => {
    numCalls++
    wait()
  }
  const samples = (await sampleTogether([{ name: "short", run }], { timeMs: 100, signal: never, onTurn })).get("short")!
  expect(samples.length).toBeLessThan(numCalls)
  // A busy machine makes some of them long, hardly all.
  expect(Math.min(...samples)).toBeGreaterThanOrEqual(0.05)
  expect(Math.min(...samples)).toBeLessThan(1)
})

test("sampleTogether: a contender that throws is not measured, and an aborted run ends", async () => {
  const faulty = {
    name: "faulty",
    run: () => {
      throw new Error("broken kernel")
    },
  }
  await expect(sampleTogether([faulty], { timeMs: 1, signal: never, onTurn })).rejects.toThrow("broken kernel")
  const aborted = AbortSignal.abort(new Error("interrupted"))
  await expect(sampleTogether([{ name: "a", run: () => {} }], { timeMs: 1, signal: aborted, onTurn })).rejects.toThrow(
    "interrupted",
  )
})
