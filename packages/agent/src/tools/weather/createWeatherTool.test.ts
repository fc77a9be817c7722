import { expect, test } from "bun:test"
import type { ToolResult } from "../AgentTool.ts"
import { createOfflineWeather } from "./createOfflineWeather.ts"
import { createWeatherTool } from "./createWeatherTool.ts"
import { SAMPLE_CITIES } from "./sampleCities.ts"

const context = { runId: "run", userId: undefined, signal: new AbortController().signal }

function ask(city: string, date: string): Promise<ToolResult> {
  return createWeatherTool(createOfflineWeather(() => Date.parse(date))).run({ city }, context)
}

test("get_weather: offline, says what the season is like and that it is a sample", async () => {
  expect(await ask("Oslo", "2026-12-24")).toEqual({
    text: '{"city": "Oslo", "temperature": -3, "unit": "celsius", "condition": "snow", "source": "offline sample"}',
    sources: [{ title: "offline sample of the seasons, no forecast", location: undefined }],
  })
})

test.each([
  ["2026-02-28", -3],
  ["2026-03-01", 6],
  ["2026-06-01", 18],
  ["2026-11-30", 7],
])("get_weather: the season follows the clock: %s", async (date, temperature) => {
  expect(JSON.parse((await ask("Oslo", date)).text).temperature).toBe(temperature)
})

test.each([
  ["são paulo", "Sao Paulo"],
  ["  NEW YORK ", "New York"],
  ["Paris, France", "Paris"],
  ["北京市", "北京"],
])("get_weather: %p is %s", async (city, name) =>
  expect(JSON.parse((await ask(city, "2026-07-01")).text).city).toBe(name),
)

test("get_weather: a city asked for in Chinese has Chinese weather", async () => {
  expect(JSON.parse((await ask("上海", "2026-07-01")).text)).toMatchObject({ city: "上海", condition: "雷阵雨" })
})

test("get_weather: an unknown city is a tool error", async () => {
  await expect(ask("Atlantis", "2026-07-01")).rejects.toThrow("unknown city: Atlantis")
})

test("sample cities: each has four seasons in plain figures", () => {
  for (const row of SAMPLE_CITIES) expect(row).toMatch(/^[A-Z][\w' ]+ \| \p{Script=Han}+( \| -?\d{1,2}[spcflrtn]){4}$/u)
})
