import { existsSync, readFileSync } from "node:fs"
import type { Setting } from "./Setting.ts"
import { environmentName, SETTING_NAMES, type SettingName, SETTINGS, type Settings } from "./Settings.ts"
import { SettingError } from "./SettingError.ts"

export const SETTINGS_FILE = "consilium.toml"
/** Tables of their own, each with a parser of its own. */
const TABLES = ["fleet", "agents"] as const

export interface SettingSources {
  readonly flags: Readonly<Partial<Record<SettingName, string>>>
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Read where it exists. */
  readonly file: string
}

/** Reads all settings: flag over environment over file over default. @throws SettingError naming where the value came from */
export function loadSettings({ flags, environment, file }: SettingSources): Settings {
  const fromFile = readFile(file)
  const value = (name: SettingName): unknown => {
    const variable = environmentName(name)
    const flag = flags[name]
    if (flag !== undefined) return parse(name, flag, `--${name}`)
    const set = environment[variable]
    if (set !== undefined) return parse(name, set, variable)
    const written = fromFile[name]
    if (written !== undefined) return parse(name, String(written), `${file}: ${name}`)
    return parse(name, SETTINGS[name].defaultText, `default of ${name}`)
  }
  const settings = Object.fromEntries(SETTING_NAMES.map((name) => [name, value(name)])) as unknown as Settings
  checkBalance(settings)
  return settings
}

/** What evens out the load is of no use to other routing: whoever sets it means something else. */
function checkBalance(settings: Settings): void {
  if (settings.routing === "balanced") return
  for (const name of ["bias-rate", "router-noise", "capacity-factor"] as const) {
    if (settings[name] === undefined) continue
    throw new SettingError(
      `--${name} ${settings[name]}: expected --routing balanced beside it, found --routing ${settings.routing}: set that, or leave --${name} out`,
    )
  }
}

/** Returns a table of a settings file as it stands; undefined where there is none. @throws SettingError on a file that is no TOML */
export function loadTable(file: string, name: (typeof TABLES)[number]): unknown {
  return readFile(file)[name]
}

function parse(name: SettingName, text: string, source: string): unknown {
  const setting: Setting<unknown> = SETTINGS[name]
  const result = setting.parse(text)
  if ("value" in result) return result.value
  throw new SettingError(
    `${source}: expected ${result.expected}, found ${setting.isSecret ? "something else" : JSON.stringify(text)}`,
  )
}

function readFile(file: string): Readonly<Record<string, unknown>> {
  if (!existsSync(file)) return {}
  let table: Readonly<Record<string, unknown>>
  try {
    table = Bun.TOML.parse(readFileSync(file, "utf8")) as Record<string, unknown>
  } catch (error) {
    throw new SettingError(`${file}: expected TOML: ${(error as Error).message}`)
  }
  for (const [key, value] of Object.entries(table)) {
    if (TABLES.some((name) => name === key)) continue
    if (!SETTING_NAMES.includes(key as SettingName)) {
      throw new SettingError(`${file}: ${key}: expected a setting, found an unknown one: did you mean ${nearest(key)}?`)
    }
    if (!["string", "number", "boolean"].includes(typeof value))
      throw new SettingError(`${file}: ${key}: expected a plain value, found a table or an array`)
  }
  return table
}

/** The known setting that differs in the fewest letters. */
export function nearest(name: string): SettingName {
  const pairs = (word: string): Set<string> => new Set(Array.from(word, (_, i) => word.slice(i, i + 2)))
  const wanted = pairs(name)
  const likeness = (other: string): number =>
    [...pairs(other)].filter((pair) => wanted.has(pair)).length / (other.length + name.length)
  return SETTING_NAMES.toSorted((a, b) => likeness(b) - likeness(a))[0]!
}
