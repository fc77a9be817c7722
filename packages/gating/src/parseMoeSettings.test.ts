import { describe, expect, test } from "bun:test"
import { expertCapacity, type MoeSettings, MoeSettingsError, parseMoeSettings } from "./index.ts"

const SOUND: MoeSettings = { numExperts: 8, topK: 2, capacityFactor: 1.25, temperature: 0.2 }

describe("parseMoeSettings", () => {
  test("settings within the advice pass without a word, and defaults are dropless and as trained", () => {
    expect(parseMoeSettings(SOUND)).toEqual({ settings: { ...SOUND } as Required<MoeSettings>, warnings: [] })
    const { settings, warnings } = parseMoeSettings({ numExperts: 64, topK: 8 })
    expect(settings).toEqual({ numExperts: 64, topK: 8, capacityFactor: Number.POSITIVE_INFINITY, temperature: 1 })
    expect(warnings).toEqual([])
  })

  test.each([
    [{ numExperts: 0 }, "numExperts: expected a whole number from 1 to 1024, found 0: "],
    [{ numExperts: 1025 }, "numExperts: expected a whole number from 1 to 1024, found 1025: "],
    [{ numExperts: 8.5 }, "numExperts: expected a whole number from 1 to 1024, found 8.5: "],
    [{ topK: 9 }, "topK: expected a whole number from 1 to numExperts 8, found 9: "],
    [{ topK: 0 }, "topK: expected a whole number from 1 to numExperts 8, found 0: "],
    [{ capacityFactor: 0 }, "capacityFactor: expected a number above 0, found 0: "],
    [{ capacityFactor: Number.NaN }, "capacityFactor: expected a number above 0, found NaN: "],
    [{ temperature: 0 }, "temperature: expected a finite number above 0, found 0: "],
    [{ temperature: -1 }, "temperature: expected a finite number above 0, found -1: "],
    [{ temperature: Number.NaN }, "temperature: expected a finite number above 0, found NaN: "],
  ] as const)("%j cannot be, and the error says what was expected, found, and the cure", (change, message) => {
    let error: unknown
    try {
      parseMoeSettings({ ...SOUND, ...change })
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(MoeSettingsError)
    expect((error as MoeSettingsError)._tag).toBe("MoeSettingsError")
    expect((error as Error).message).toStartWith(message)
    expect((error as Error).message.length).toBeGreaterThan(message.length)
  })

  test.each([
    [{ numExperts: 4 }, "numExperts 4"],
    [{ numExperts: 128 }, "numExperts 128"],
    [{ capacityFactor: 1 }, "capacityFactor 1"],
    [{ capacityFactor: 2 }, "capacityFactor 2"],
    [{ temperature: 0.05 }, "temperature 0.05"],
    [{ temperature: 0.6 }, "temperature 0.6"],
    [{ temperature: 2 }, "temperature 2"],
  ] as const)("%j is possible, with a warning that names it and the advice", (change, name) => {
    const { warnings } = parseMoeSettings({ ...SOUND, ...change })
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toStartWith(`${name}: `)
  })
})

describe("expertCapacity", () => {
  test("is the even share times the factor, rounded up, at least one; dropless stays dropless", () => {
    const of = (numTokens: number, capacityFactor: number) =>
      expertCapacity(numTokens, { numExperts: 8, topK: 2, capacityFactor })
    expect([of(64, 1), of(64, 1.25), of(1, 1.25), of(33, 1.2)]).toEqual([16, 20, 1, 10])
    expect(of(64, Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY)
  })
})
