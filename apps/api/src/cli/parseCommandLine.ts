import { parseArgs } from "node:util"
import { loadSettings, nearest, SETTINGS_FILE } from "../settings/loadSettings.ts"
import type { Setting } from "../settings/Setting.ts"
import { SETTING_NAMES, type SettingName, SETTINGS, type Settings } from "../settings/Settings.ts"
import { UsageError } from "./Command.ts"

export interface CommandLine {
  readonly positionals: readonly string[]
  readonly settings: Settings
  /** Whether a setting was given as a flag. */
  hasFlag(name: SettingName): boolean
  /** A command's own options, each as often as it was given. */
  readonly own: Readonly<Record<string, readonly string[]>>
  /** Those of its own that take no value, and were given. */
  readonly ownSwitches: ReadonlySet<string>
}

/**
 * Reads settings and a command's own options.
 *
 * @param own         names of the command's own options, which take a value
 * @param ownSwitches names of those that take none
 * @throws UsageError on an unknown option, SettingError on a value that cannot be
 */
export function parseCommandLine(
  args: readonly string[],
  own: readonly string[] = [],
  ownSwitches: readonly string[] = [],
): CommandLine {
  const names = new Set<string>([...SETTING_NAMES, ...own, ...ownSwitches])
  const option = (name: string) =>
    ({
      type: isSwitch(name) || ownSwitches.includes(name) ? ("boolean" as const) : ("string" as const),
      multiple: true,
    }) as const
  let parsed: { values: Record<string, (string | boolean)[] | undefined>; positionals: string[] }
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: Object.fromEntries([...names].map((name) => [name, option(name)])),
    })
  } catch (error) {
    const unknown = /Unknown option '--([^']+)'/.exec((error as Error).message)?.[1]
    throw new UsageError(
      unknown === undefined
        ? (error as Error).message
        : `--${unknown}: there is no such option: did you mean --${nearest(unknown)}?`,
    )
  }
  const { values, positionals } = parsed
  const flags = Object.fromEntries(
    SETTING_NAMES.flatMap((name) => (values[name] === undefined ? [] : [[name, String(values[name].at(-1)!)]])),
  )
  return {
    positionals,
    settings: loadSettings({ flags, environment: process.env, file: SETTINGS_FILE }),
    hasFlag: (name) => values[name] !== undefined,
    own: Object.fromEntries(own.map((name) => [name, (values[name] ?? []).map(String)])),
    ownSwitches: new Set(ownSwitches.filter((name) => values[name] !== undefined)),
  }
}

function isSwitch(name: string): boolean {
  const setting: Setting<unknown> | undefined = SETTINGS[name as SettingName]
  return setting?.isSwitch === true
}

/** Returns the one word that a command takes. @throws UsageError */
export function onlyPositional(positionals: readonly string[], what: string): string {
  if (positionals.length === 1) return positionals[0]!
  throw new UsageError(`expected ${what}, found ${positionals.length === 0 ? "nothing" : positionals.join(" ")}`)
}
