import { ToolError } from "../AgentTool.ts"

export type Arguments = Readonly<Record<string, unknown>>

const PLACEHOLDER = /\{([A-Za-z_][\w-]*)\}/g

/** Returns the names that stand in braces in a template. */
export function placeholdersOf(template: string): readonly string[] {
  return [...template.matchAll(PLACEHOLDER)].map((match) => match[1]!)
}

/** Puts the arguments' JSON into a body's template, quotes of texts included. */
export function fillBody(template: string, args: Arguments): string {
  return template.replaceAll(PLACEHOLDER, (_, name: string) => JSON.stringify(given(args, name)))
}

/**
 * Puts arguments into an address's template, encoded: none can leave its place in the path.
 *
 * A parameter of the query whose argument is missing is left out.
 *
 * @throws ToolError where an argument of the path is missing, or would be a step such as `..`
 */
export function fillUrl(template: string, args: Arguments): URL {
  const [path, query] = splitOnce(template, "?")
  const filled = path.replaceAll(PLACEHOLDER, (_, name: string) => encodeURIComponent(asText(given(args, name))))
  const steps = filled.split("/")
  // The first three are the scheme and the host.
  if (steps.slice(3).some((step, index) => /^\.{0,2}$/.test(step) && step !== path.split("/")[index + 3])) {
    throw new ToolError("an argument in the address may be neither empty nor a step such as ..")
  }
  const url = new URL(filled)
  for (const [name, value] of new URLSearchParams(query)) {
    if (placeholdersOf(value).some((missing) => args[missing] === undefined)) continue
    url.searchParams.append(
      name,
      value.replaceAll(PLACEHOLDER, (_, name: string) => asText(args[name])),
    )
  }
  return url
}

/** Texts as they are, anything else as JSON. */
export function asText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value)
}

function given(args: Arguments, name: string): unknown {
  const value = args[name]
  if (value === undefined) throw new ToolError(`the argument "${name}" is missing`)
  return value
}

function splitOnce(text: string, sign: string): readonly [before: string, after: string] {
  const at = text.indexOf(sign)
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)]
}
