import type { Case } from "./Case.ts"

export interface ExampleCommand {
  readonly cases: readonly Case[]
  /** Prints every question with both answers. */
  readonly showsAnswers: boolean
  /** A trace whose arrivals a burst has; a synthetic one unless given. */
  readonly tracePath: string | undefined
  /** Where figures go for `bun run bench cases`. */
  readonly measurementsPath: string | undefined
}

/** Reads the command line; undefined where it asks for help. @throws Error on what it does not know */
export function parseCommand(args: readonly string[], known: readonly Case[]): ExampleCommand | undefined {
  if (args.length === 0 || args.includes("--help")) return undefined
  const names: string[] = []
  let showsAnswers = false
  const paths: Record<"--measurements" | "--trace", string | undefined> = {
    "--measurements": undefined,
    "--trace": undefined,
  }
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!
    if (arg === "--answers") showsAnswers = true
    else if (arg === "--measurements" || arg === "--trace") {
      paths[arg] = args[++i]
      if (paths[arg] === undefined) throw new Error(`${arg}: expected a file, found none`)
    } else names.push(arg)
  }
  const all = known.map(({ name }) => name)
  const unknown = names.find((name) => name !== "all" && !all.includes(name))
  if (unknown !== undefined || names.length === 0)
    throw new Error(`case ${unknown ?? ""}: expected one of ${all.join(", ")} or all`)
  const cases = known.filter(({ name }) => names.includes(name) || names.includes("all"))
  return { cases, showsAnswers, tracePath: paths["--trace"], measurementsPath: paths["--measurements"] }
}
