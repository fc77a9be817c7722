import { SETTINGS_FILE } from "../settings/loadSettings.ts"
import { SettingError } from "../settings/SettingError.ts"

/** Returns the key that a table of the settings file names; undefined where it names none. @throws SettingError where the environment lacks it */
export function readKey(table: string, variable: string | undefined): string | undefined {
  if (variable === undefined) return undefined
  const key = process.env[variable]
  if (key !== undefined && key !== "") return key
  throw new SettingError(
    `${SETTINGS_FILE}: ${table}.key-env: expected a key in the environment variable ${variable}, found none`,
  )
}
