import { afterAll, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type AskedProcess, createAskedProcess } from "./createAskedProcess.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-asked-"))
afterAll(() => rmSync(dir, { recursive: true }))

const main = join(dir, "main.ts")
writeFileSync(
  main,
  `import { answerQuestions } from ${JSON.stringify(join(import.meta.dir, "answerQuestions.ts"))}
if (process.argv[2] === "ends") process.exit(3)
answerQuestions(({ text }) => {
  if (text === "fail") throw new Error("it is no good")
  if (text === "end") process.exit(1)
  while (text === "hang");
  return { text, pid: process.pid, vector: Float32Array.of(1, 2) }
})
`,
)
interface Reply {
  readonly text: string
  readonly pid: number
}
const ask = async (asked: AskedProcess, text: string): Promise<Reply> => (await asked.ask({ text })) as Reply
const messageOf = (asked: AskedProcess, text: string): Promise<string> =>
  ask(asked, text).then(
    () => "no error",
    (error: Error) => `${error.name}: ${error.message}`,
  )

describe("createAskedProcess", () => {
  test("answers each by its own, says what went wrong, and goes on", async () => {
    const asked = createAskedProcess({ main, args: [], timeoutMs: 10_000 })
    const [a, failed, b] = await Promise.all([ask(asked, "a"), messageOf(asked, "fail"), ask(asked, "b")])
    expect([a.text, failed, b.text]).toEqual(["a", "ProcessError: it is no good", "b"])
    expect(a).toMatchObject({ pid: b.pid, vector: Float32Array.of(1, 2) })
    await asked.end()
    expect(() => process.kill(a.pid, 0)).toThrow()
  })

  test("starts anew with the next question after its death, which all that wait are told of", async () => {
    const asked = createAskedProcess({ main, args: [], timeoutMs: 10_000 })
    const first = await ask(asked, "a")
    const ended = "ProcessError: its process ended"
    expect(await Promise.all([messageOf(asked, "end"), messageOf(asked, "b")])).toEqual([ended, ended])
    expect((await ask(asked, "c")).pid).not.toBe(first.pid)
    await asked.end()
  })

  test("ends one that hangs", async () => {
    const asked = createAskedProcess({ main, args: [], timeoutMs: 300 })
    await ask(asked, "a")
    expect(await messageOf(asked, "hang")).toBe("ProcessError: its process ended")
    expect((await ask(asked, "b")).text).toBe("b")
    await asked.end()
  })

  test("one that ends before it answers anything is left alone for a while", async () => {
    const asked = createAskedProcess({ main, args: ["ends"], timeoutMs: 10_000 })
    expect(await messageOf(asked, "a")).toBe("ProcessError: its process ended")
    const beganMs = performance.now()
    expect(await messageOf(asked, "b")).toBe("ProcessError: its process ended")
    // No process starts in so short a time.
    expect(performance.now() - beganMs).toBeLessThan(5)
    await asked.end()
  })

  test("whoever waits no longer is let go", async () => {
    const asked = createAskedProcess({ main, args: [], timeoutMs: 10_000 })
    const leaving = new AbortController()
    const waiting = asked.ask({ text: "a" }, leaving.signal).catch((error: Error) => error.message)
    leaving.abort()
    expect(await waiting).toBe("nobody waits for it any more")
    expect((await ask(asked, "b")).text).toBe("b")
    await asked.end()
  })
})
