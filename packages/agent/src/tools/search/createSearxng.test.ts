import { afterAll, expect, test } from "bun:test"
import { FAILURES, startFakeService } from "../../../test/startFakeService.ts"
import { createSearxng } from "./createSearxng.ts"

const service = startFakeService()
afterAll(service.stop)
const searxng = createSearxng(`${service.url}/`, service.rules)
const { signal } = new AbortController()

test("createSearxng: asks for JSON and takes the best results", async () => {
  const row = { title: "Bees", url: "https://bees.example/1", content: "Honey.", engine: "any" }
  service.say(() => Response.json({ query: "q", results: [row, { ...row, content: null }, row] }))
  expect(await searxng.search("honey & bees", 2, signal)).toEqual([
    { title: "Bees", location: "https://bees.example/1", snippet: "Honey." },
    { title: "Bees", location: "https://bees.example/1", snippet: "" },
  ])
  const { pathname, searchParams } = service.requests.at(-1)!.url
  expect([pathname, searchParams.get("q"), searchParams.get("format")]).toEqual(["/search", "honey & bees", "json"])
})

test.each(FAILURES)("createSearxng: %s is a tool error", async (_, answer, words) => {
  service.say(answer)
  await expect(searxng.search("bees", 3, signal)).rejects.toThrow(words)
})
