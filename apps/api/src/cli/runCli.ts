import type { AgentSettingsError, McpServerError, StoreError } from "@consilium/agent"
import type { TableError, RouterError } from "@consilium/fleet"
import type { MoeSettingsError } from "@consilium/gating"
import type { CheckpointError, HubError, PreparedModelError, TextError } from "@consilium/model"
import type { EngineError } from "@consilium/serving"
import type { SettingError } from "../settings/SettingError.ts"
import { settingsDocument } from "../settings/settingsDocument.ts"
import { cacheCommand } from "./cacheCommand.ts"
import { chatCommand } from "./chat/chatCommand.ts"
import { type Command, helpOf, UsageError } from "./Command.ts"
import { costCommand } from "./costCommand.ts"
import { fleetCommand } from "./fleet/fleetCommand.ts"
import { forgetCommand } from "./forgetCommand.ts"
import { inspectCommand } from "./inspectCommand.ts"
import { logitsCommand } from "./logitsCommand.ts"
import { prepareCommand } from "./prepareCommand.ts"
import { serve } from "./serve.ts"
import { topCommand } from "./topCommand.ts"

const COMMANDS: readonly Command[] = [
  serve,
  prepareCommand,
  cacheCommand,
  chatCommand,
  forgetCommand,
  topCommand,
  costCommand,
  inspectCommand,
  logitsCommand,
  fleetCommand,
]

type ExpectedError =
  | UsageError
  | SettingError
  | CheckpointError
  | PreparedModelError
  | TextError
  | HubError
  | EngineError
  | MoeSettingsError
  | TableError
  | RouterError
  | AgentSettingsError
  | McpServerError
  | StoreError

/** Failures that people can do something about: one line, no stack. By their tags: whoever throws one has loaded it. */
const EXPECTED = {
  UsageError: true,
  SettingError: true,
  CheckpointError: true,
  PreparedModelError: true,
  TextError: true,
  HubError: true,
  EngineError: true,
  MoeSettingsError: true,
  TableError: true,
  RouterError: true,
  AgentSettingsError: true,
  McpServerError: true,
  StoreError: true,
} as const satisfies Readonly<Record<ExpectedError["_tag"], true>>

const isExpected = (error: unknown): error is ExpectedError =>
  error instanceof Error && "_tag" in error && Object.hasOwn(EXPECTED, String(error._tag))

/** Runs one command; returns the exit code. */
export async function runCli(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args
  if (name === "settings-document") {
    process.stdout.write(settingsDocument())
    return 0
  }
  const command = COMMANDS.find((other) => other.name === name)
  if (command === undefined) {
    const isHelp = name === undefined || name === "--help" || name === "-h" || name === "help"
    if (!isHelp) console.error(`There is no command ${name}.\n`)
    console.log(overview())
    return isHelp ? 0 : 1
  }
  if (rest.includes("--help") || rest.includes("-h")) {
    console.log(helpOf(command))
    return 0
  }
  try {
    return await command.run(rest)
  } catch (error) {
    if (error instanceof UsageError) console.error(`${error.message}\nSee consilium ${command.name} --help.`)
    else if (isExpected(error)) console.error(error.message)
    else throw error
    return 1
  }
}

function overview(): string {
  return [
    "Consilium serves Mixture-of-Experts models.",
    "",
    ...COMMANDS.map(({ name, summary }) => `  consilium ${name.padEnd(8)} ${summary}`),
    "",
    "consilium <command> --help says more, with an example. Settings: docs/settings.md.",
  ].join("\n")
}
