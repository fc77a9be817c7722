import { afterAll, expect, test } from "bun:test"
import { FAILURES, startFakeService } from "../../../test/startFakeService.ts"
import { createBrave } from "./createBrave.ts"

const service = startFakeService()
afterAll(service.stop)
const brave = createBrave(service.url, "secret-key", service.rules)
const { signal } = new AbortController()

test("createBrave: sends the key in its header alone", async () => {
  const row = { title: "Bees", url: "https://bees.example/1", description: "<strong>Honey</strong>." }
  service.say(() => Response.json({ web: { results: [row, row] } }))
  expect(await brave.search("honey bees", 1, signal)).toEqual([
    { title: "Bees", location: "https://bees.example/1", snippet: "<strong>Honey</strong>." },
  ])
  const { headers, url } = service.requests.at(-1)!
  expect(headers.get("x-subscription-token")).toBe("secret-key")
  expect(url.pathname + url.search).toBe("/res/v1/web/search?q=honey+bees&count=1")
})

test("createBrave: finds nothing where there are no results of the web", async () => {
  service.say(() => Response.json({ query: {} }))
  expect(await brave.search("bees", 3, signal)).toEqual([])
})

test.each(FAILURES)("createBrave: %s is a tool error without the key", async (_, answer, words) => {
  service.say(answer)
  const error = await brave.search("bees", 3, signal).catch((error: unknown) => error)
  expect(String(error)).not.toContain("secret")
  expect((error as Error).message).toMatch(words)
})
