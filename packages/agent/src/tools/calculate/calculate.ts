import { evaluate } from "./evaluate.ts"
import { parseExpression } from "./parseExpression.ts"
import { showQuantity } from "./showQuantity.ts"

/**
 * Returns the value of an arithmetic expression as text; it evaluates no code.
 *
 * @throws ToolError for what is no expression, or has no value within bounds
 */
export function calculate(expression: string): string {
  return showQuantity(evaluate(parseExpression(expression)))
}
