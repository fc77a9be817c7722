import type { Condition } from "./WeatherProvider.ts"

/** The words that the mini model was trained on. */
export const CONDITIONS = {
  clear: { en: "clear sky", zh: "晴空" },
  mostlyClear: { en: "mostly clear", zh: "大致晴朗" },
  partlyCloudy: { en: "partly cloudy", zh: "局部多云" },
  overcast: { en: "overcast", zh: "阴" },
  sunny: { en: "sunny", zh: "晴" },
  cloudy: { en: "cloudy", zh: "多云" },
  foggy: { en: "foggy", zh: "有雾" },
  drizzle: { en: "drizzle", zh: "毛毛雨" },
  lightRain: { en: "light rain", zh: "小雨" },
  rain: { en: "rain", zh: "下雨" },
  heavyRain: { en: "heavy rain", zh: "大雨" },
  sleet: { en: "sleet", zh: "雨夹雪" },
  lightSnow: { en: "light snow", zh: "小雪" },
  snow: { en: "snow", zh: "下雪" },
  showers: { en: "showers", zh: "阵雨" },
  thunderstorms: { en: "thunderstorms", zh: "雷阵雨" },
} as const satisfies Record<string, Condition>

const BY_CODE: readonly (readonly [codes: readonly number[], condition: Condition])[] = [
  [[0], CONDITIONS.clear],
  [[1], CONDITIONS.mostlyClear],
  [[2], CONDITIONS.partlyCloudy],
  [[3], CONDITIONS.overcast],
  [[45, 48], CONDITIONS.foggy],
  [[51, 53, 55], CONDITIONS.drizzle],
  [[61], CONDITIONS.lightRain],
  [[63], CONDITIONS.rain],
  [[65], CONDITIONS.heavyRain],
  [[56, 57, 66, 67], CONDITIONS.sleet],
  [[71], CONDITIONS.lightSnow],
  [[73, 75, 77, 85, 86], CONDITIONS.snow],
  [[80, 81, 82], CONDITIONS.showers],
  [[95, 96, 99], CONDITIONS.thunderstorms],
]

/**
 * Returns what a code of the WMO's table says.
 *
 * @param code of the table 4677, as forecasts use it; an unknown one is "cloudy"
 */
export function conditionOf(code: number): Condition {
  return BY_CODE.find(([codes]) => codes.includes(code))?.[1] ?? CONDITIONS.cloudy
}
