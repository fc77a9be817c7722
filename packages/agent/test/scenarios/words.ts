/** Words that several scenarios share. */
import type { ScriptedTurn } from "../scriptedModel.ts"

export const call = (name: string, args: string): ScriptedTurn => ({ calls: [[name, args]] })
export const ADD = '{"a":1,"b":2}'
export const ADDED = ["ask", `call add ${ADD}`, "done add: 3", "ask", "answered: 3"] as const
export const ADDED_REPAIRED = ["ask", `call add ${ADD} (repaired)`, "done add: 3", "ask", "answered: 3"] as const
export const REPEATED = "3\n(the same call as before: answer with this result)"
export const WRONG = "call again with arguments that fit"
export const NOT_JSON = `{"error": "bad arguments", "problems": ["expected a JSON object, found other text"], "cure": "${WRONG}"}`
const ALLOWED = '["add","weather","read_page","broken","silent","endless","transfer"]'
export const UNKNOWN = `{"error": "there is no tool of this name", "tools": ${ALLOWED}}`
export const DENIED = `{"error": "permission denied", "tools": ${ALLOWED}}`
export const REFUSED = '{"error": "the user refused this call", "cure": "do not call it again"}'
export const PAY = '{"to":"Ann","amount":5}'
