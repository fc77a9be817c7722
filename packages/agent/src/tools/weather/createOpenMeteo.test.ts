import { afterAll, expect, test } from "bun:test"
import { FAILURES, startFakeService } from "../../../test/startFakeService.ts"
import { ToolError } from "../AgentTool.ts"
import { createOpenMeteo } from "./createOpenMeteo.ts"

const service = startFakeService()
afterAll(service.stop)
const openMeteo = createOpenMeteo({
  geocodingUrl: service.url,
  forecastUrl: service.url,
  key: "secret-key",
  rules: service.rules,
})
const { signal } = new AbortController()

const place = () =>
  Response.json({ results: [{ id: 1, name: "Oslo", latitude: 59.9, longitude: 10.7, country: "Norway" }] })
const current = { temperature_2m: -3.4, weather_code: 71, relative_humidity_2m: 80, wind_speed_10m: 12.5 }

test("createOpenMeteo: looks up the place, then its weather", async () => {
  service.say(place, () => Response.json({ current }))
  expect(await openMeteo.weatherIn("oslo", signal)).toEqual({
    city: "Oslo",
    temperatureC: -3.4,
    condition: { en: "light snow", zh: "小雪" },
    humidity: 80,
    windKmh: 12.5,
    origin: "forecast",
    source: { title: "Open-Meteo", location: "https://open-meteo.com/" },
  })
  const [search, forecast] = service.requests.slice(-2).map(({ url }) => url)
  expect(search!.pathname + search!.search).toBe("/v1/search?name=oslo&count=1&language=en&apikey=secret-key")
  expect([forecast!.pathname, forecast!.searchParams.get("latitude")]).toEqual(["/v1/forecast", "59.9"])
})

test("createOpenMeteo: a city that nobody knows is a tool error", async () => {
  service.say(() => Response.json({ generationtime_ms: 0.5 }))
  await expect(openMeteo.weatherIn("Nowhere", signal)).rejects.toThrow(new ToolError("unknown city: Nowhere"))
})

test.each(FAILURES)("createOpenMeteo: %s is a tool error without the key", async (_, answer, words) => {
  service.say(place, answer)
  const error = await openMeteo.weatherIn("Oslo", signal).catch((error: unknown) => error)
  expect(String(error)).not.toContain("secret")
  expect((error as Error).message).toMatch(words)
})
