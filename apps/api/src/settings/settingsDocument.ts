import { environmentName, SETTING_NAMES, type SettingName, SETTINGS } from "./Settings.ts"

/** Defaults that lie in whoever's home it is: a document names nobody's. */
const AT_HOME: Readonly<Partial<Record<SettingName, string>>> = {
  "cache-dir": "~/.cache/consilium",
  "agent-memory": "~/.local/share/consilium/memory.sqlite",
}

/** Returns docs/settings.md. `bun apps/api/src/main.ts settings-document > docs/settings.md` writes it; a test keeps it current. */
export function settingsDocument(): string {
  const rows = SETTING_NAMES.map((name) => {
    const { description, placeholder, defaultText } = SETTINGS[name]
    const shown = AT_HOME[name] ?? defaultText
    return `| \`${`--${name} ${placeholder.replaceAll("|", "\\|")}`.trimEnd()}\` | \`${environmentName(name)}\` | ${shown === "" ? "not set" : `\`${shown}\``} | ${description} |`
  })
  return [
    "# Settings",
    "",
    "Each setting is a flag, an environment variable and a key of `consilium.toml` in the directory where the command runs (the flag's name",
    "without its dashes). A flag wins over the environment, the environment over the file, the file over the default.",
    "",
    "| flag | environment | default | what it does |",
    "|---|---|---|---|",
    ...rows,
    "",
    "```toml",
    "# consilium.toml",
    'model = "models/my-checkpoint"',
    'format = "int4"',
    'memory = "4GiB"',
    "max-streams = 8",
    "```",
    "",
    "A `[fleet]` table in the same file makes the service route each request to one of several models: [fleet.md](fleet.md).",
    "Tables `[agents.<name>]` describe agents, with tools, memory and documents: [agents.md](agents.md).",
    "",
  ].join("\n")
}
