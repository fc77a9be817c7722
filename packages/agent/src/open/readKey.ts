/** Something that an agent's settings ask for is not there. */
export class AgentSettingsError extends Error {
  readonly _tag = "AgentSettingsError"
  override readonly name = "AgentSettingsError"
}

/** Variables by their names. */
export type Environment = Readonly<Record<string, string | undefined>>

/** @param what wants it, for the error @throws AgentSettingsError where the variable is not set */
export function readKey(variable: string, environment: Environment, what: string): string {
  const key = environment[variable]
  if (key !== undefined && key !== "") return key
  throw new AgentSettingsError(`${what}: expected a key in the environment variable ${variable}, found none`)
}

/** Returns the header that a key goes into: as a bearer token in `authorization`, as it stands in others. */
export function keyHeader(
  { header, env }: { readonly header: string; readonly env: string },
  environment: Environment,
  what: string,
): { readonly header: string; readonly value: string } {
  const value = readKey(env, environment, what)
  return { header, value: header.toLowerCase() === "authorization" && !value.includes(" ") ? `Bearer ${value}` : value }
}
