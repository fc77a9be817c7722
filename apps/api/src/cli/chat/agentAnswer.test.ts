import { expect, test } from "bun:test"
import { show } from "./agentAnswer.ts"

type Shown = Parameters<typeof show>[0]

function shown(...events: readonly Shown[]) {
  const said: string[] = []
  const notes: string[] = []
  for (const event of events) show(event, { say: (text) => said.push(text), note: (line) => notes.push(line) })
  return { said, notes }
}

test("show: an answer is said, calls, results, sources and limits are noted beside it", () => {
  const { said, notes } = shown(
    { type: "started" },
    { type: "call", tool: "stock", arguments: '{"of": "tea"}' },
    { type: "result", outcome: "done", text: "seven\n  left" },
    { type: "result", outcome: "timed-out", text: "x".repeat(201) },
    { type: "text", text: "Seven\n" },
    { type: "ended", end: "steps", sources: [{ title: "shop.md" }, { title: "tea.txt" }] },
    { type: "ended", end: "answered", sources: [] },
  )
  expect(said).toEqual(["Seven\n"])
  expect(notes).toEqual([
    '  stock({"of": "tea"})',
    "  → seven left",
    `  → timed-out: ${"x".repeat(200)}…`,
    "  sources: [1] shop.md, [2] tea.txt",
    "  (ended by its limit: steps)",
  ])
})
