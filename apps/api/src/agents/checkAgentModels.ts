import type { AgentSettings } from "@consilium/agent"
import { SETTINGS_FILE } from "../settings/loadSettings.ts"
import { SettingError } from "../settings/SettingError.ts"

/**
 * Checks whom agents' tables name before anybody asks.
 *
 * @param expected in words, for the error
 * @throws SettingError on a model that nobody serves
 */
export function checkAgentModels(
  agents: readonly AgentSettings[],
  isServed: (model: string) => boolean,
  expected: string,
): void {
  for (const { model, config } of agents) {
    if (model === undefined || isServed(model)) continue
    throw new SettingError(
      `${SETTINGS_FILE}: agents.${config.name}.model: expected ${expected}, found ${JSON.stringify(model)}`,
    )
  }
}
