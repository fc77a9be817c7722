import { afterAll, describe, expect, test } from "bun:test"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { homedir, tmpdir, totalmem } from "node:os"
import { join } from "node:path"
import { loadSettings, type SettingSources } from "./loadSettings.ts"
import { settingsDocument } from "./settingsDocument.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-settings-"))
const file = join(dir, "consilium.toml")
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const load = (toml: string, sources: Partial<SettingSources> = {}) => {
  writeFileSync(file, toml)
  return loadSettings({ flags: {}, environment: {}, file, ...sources })
}

describe("loadSettings", () => {
  test("a flag wins over the environment, that over the file, that over the default", () => {
    const environment = { CONSILIUM_PORT: "2", CONSILIUM_MAX_STREAMS: "5" }
    const settings = load('port = 1\nhost = "0.0.0.0"\nmax-streams = 4\n', { environment, flags: { port: "3" } })
    expect([settings.port, settings["max-streams"], settings.host, settings.format]).toEqual([3, 5, "0.0.0.0", "int8"])
  })

  test("a GPU's memory is bytes, or not set: its size is not known", () => {
    const memory = (text: string): number | undefined => load("", { flags: { "gpu-memory": text } })["gpu-memory"]
    expect([memory("2GiB"), memory("1.5 MB"), memory("")]).toEqual([2 ** 31, 1_500_000, undefined])
    for (const text of ["0", "0.5", "1", "lots"]) expect(() => memory(text), text).toThrow("--gpu-memory: expected")
  })

  test("memory is bytes or a share of the machine", () => {
    const memory = (text: string): number => load("", { flags: { memory: text } }).memory
    expect([memory("2GiB"), memory("1.5 MB"), memory("0.5")]).toEqual([2 ** 31, 1_500_000, Math.floor(totalmem() / 2)])
    for (const text of ["0", "-1", "lots", "3 XB", "5"]) expect(() => memory(text), text).toThrow("--memory: expected")
  })

  test("an error says where the value came from, what was expected and what was found", () => {
    expect(() => load("", { flags: { port: "70000" } })).toThrow(
      '--port: expected a whole number from 0 to 65535, found "70000"',
    )
    expect(() => load("", { environment: { CONSILIUM_FORMAT: "int5" } })).toThrow(
      "CONSILIUM_FORMAT: expected one of f32, int8, int4",
    )
    expect(() => load("max-streams = 0")).toThrow("consilium.toml: max-streams: expected")
  })

  test("what evens out the load is bounded, and refused where routing is another", () => {
    const flags = { routing: "balanced", "router-noise": "0.3", "capacity-factor": "1.25", "bias-rate": "0" }
    const settings = load("", { flags })
    expect([settings["router-noise"], settings["capacity-factor"], settings["bias-rate"]]).toEqual([0.3, 1.25, 0])
    const refused = (name: string, value: string): void =>
      expect(() => load("", { flags: { routing: "balanced", [name]: value } })).toThrow(`--${name}: expected a number`)
    for (const value of ["-0.1", "11", "NaN", "much"]) refused("router-noise", value)
    for (const value of ["0.9", "Infinity", "2000"]) refused("capacity-factor", value)
    refused("bias-rate", "2")
    for (const name of ["router-noise", "capacity-factor", "bias-rate"]) {
      expect(() => load(`${name} = 1\n`)).toThrow(
        `--${name} 1: expected --routing balanced beside it, found --routing exact: set that, or leave --${name} out`,
      )
      expect(() => load("", { flags: { [name]: "1", routing: "awake" } })).toThrow("found --routing awake")
    }
  })

  test("an unknown key in the file is an error that names the nearest", () => {
    expect(() => load("max-stream = 3")).toThrow("did you mean max-streams?")
    expect(() => load("[port]\nx = 1")).toThrow("expected a plain value")
    expect(() => load("port = = 1")).toThrow("expected TOML")
  })

  test("secrets are not shown", () => {
    const error = (() => {
      try {
        load("", { flags: { "api-key": "" } })
        return ""
      } catch (thrown) {
        return (thrown as Error).message
      }
    })()
    expect(error).not.toContain("hunter2")
    expect(load("", { flags: { "api-key": "hunter2" } })["api-key"]).toBe("hunter2")
  })
})

describe("docs/settings.md", () => {
  test("is what the settings say", () => {
    const written = readFileSync(join(import.meta.dir, "../../../../docs/settings.md"), "utf8")
    const words = (text: string): string => text.replaceAll(/[\s-]+/g, " ")
    expect(words(written)).toBe(words(settingsDocument()))
  })

  test("is the same in whose home it is written", () => {
    expect(settingsDocument()).not.toContain(homedir())
  })
})
