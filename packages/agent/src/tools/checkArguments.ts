import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js"
import { readArguments } from "./repair/readArguments.ts"

/** What of a call's arguments reaches its tool. */
export type CheckedArguments =
  | { readonly isValid: true; readonly value: Readonly<Record<string, unknown>>; readonly isRepaired: boolean }
  /** In words, for the model. */
  | { readonly isValid: false; readonly problems: readonly string[] }

/** @param mayEndEarly whether closers that are missing at the end are added */
export type CheckArguments = (text: string, mayEndEarly: boolean) => CheckedArguments

const MOST_PROBLEMS = 5

/**
 * Schemas come from users and from other programs: what ajv does not know of them is left out, not complained of. Without the meta-schema, whose
 * compilation takes a hundred times as long as a tool's, each keyword is checked as it is compiled.
 */
const LENIENT = {
  strict: false,
  meta: false,
  validateSchema: false,
  validateFormats: false,
  allErrors: true,
  useDefaults: true,
  logger: false,
} as const

/**
 * Compiles the check of a tool's arguments.
 *
 * Text where the schema wants a number, and the like, is turned into it; nothing is made of `null` or of truth values.
 *
 * @param parameters JSON schema of an object
 * @throws Error where it is no schema
 */
export function compileCheck(parameters: Readonly<Record<string, unknown>>): CheckArguments {
  // Whichever draft it says that it is of, the keywords that tools use mean the same.
  const { $schema: _draft, $id: _id, ...schema } = parameters
  const validate = new Ajv2020(LENIENT).compile(schema)
  const coerce = new Ajv2020({ ...LENIENT, coerceTypes: true }).compile(schema)
  return (text, mayEndEarly) => {
    const read = readArguments(text, mayEndEarly)
    if (read === undefined) return { isValid: false, problems: ["expected a JSON object, found other text"] }
    const value = structuredClone(read.value) as Record<string, unknown>
    if (validate(value)) return { isValid: true, value, isRepaired: read.isRepaired }
    const { errors } = validate
    const coerced = structuredClone(read.value) as Record<string, unknown>
    if (coerce(coerced) && !isGuessed(read.value, coerced)) return { isValid: true, value: coerced, isRepaired: true }
    return { isValid: false, problems: (errors ?? []).slice(0, MOST_PROBLEMS).map(problemText) }
  }
}

/** Whether `null` or a truth value became something else: that may be an amount of 0 that nobody named. */
function isGuessed(before: unknown, after: unknown): boolean {
  if (before === null || typeof before === "boolean") return before !== after
  if (typeof before !== "object" || typeof after !== "object" || after === null) return false
  return Object.entries(before).some(([key, value]) => isGuessed(value, (after as Record<string, unknown>)[key]))
}

function problemText({ instancePath, message = "is wrong", params }: ErrorObject): string {
  const detail: unknown = params["allowedValues"] ?? params["additionalProperty"]
  return `${instancePath === "" ? "arguments" : instancePath.slice(1)} ${message}${detail === undefined ? "" : `: ${JSON.stringify(detail)}`}`
}
