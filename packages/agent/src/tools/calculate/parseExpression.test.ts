import { expect, test } from "bun:test"
import fc from "fast-check"
import { ToolError } from "../AgentTool.ts"
import { type BinaryOperator, type Expression, parseExpression } from "./parseExpression.ts"

const number: fc.Arbitrary<Expression> = fc
  .tuple(fc.nat(9999), fc.constantFrom("", ".5", "e3", "e-2"))
  .map(([whole, rest]) => ({ kind: "number", text: `${whole}${rest}` }))

const { expression } = fc.letrec<{ expression: Expression }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4 },
    number,
    fc.constantFrom("pi", "e").map((name): Expression => ({ kind: "constant", name })),
    fc.record({ kind: fc.constant("money" as const), unit: fc.constantFrom("$", "€"), amount: number }),
    fc.record({ kind: fc.constant("percent" as const), operand: number }),
    fc.record({ kind: fc.constant("negate" as const), operand: tie("expression") }),
    fc.record({
      kind: fc.constant("binary" as const),
      operator: fc.constantFrom<BinaryOperator>("+", "-", "*", "/", "^", "mod", "of"),
      left: tie("expression"),
      right: tie("expression"),
    }),
    fc.record({
      kind: fc.constant("call" as const),
      name: fc.constantFrom("max", "sqrt"),
      args: fc.array(tie("expression"), { minLength: 1, maxLength: 3 }),
    }),
  ),
}))

/** With parentheses around everything, as no person would. */
function write(expression: Expression): string {
  switch (expression.kind) {
    case "number":
      return expression.text
    case "constant":
      return expression.name
    case "money":
      return `${expression.unit}${write(expression.amount)}`
    case "percent":
      return `(${write(expression.operand)}%)`
    case "negate":
      return `(-${write(expression.operand)})`
    case "binary":
      return `(${write(expression.left)} ${expression.operator} ${write(expression.right)})`
    case "call":
      return `${expression.name}(${expression.args.map(write).join(", ")})`
  }
}

test("parseExpression: reads back every expression that is written with all its parentheses", () => {
  fc.assert(
    fc.property(expression, (expression) => {
      const text = write(expression)
      fc.pre(text.length <= 256)
      expect(parseExpression(text)).toEqual(expression)
    }),
    { seed: 7, numRuns: 500 },
  )
})

test("parseExpression: any text is an expression or a refusal in words", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9+*/^%(),.$x e-]{0,60}$/)), (text) => {
      try {
        parseExpression(text)
      } catch (error) {
        expect(error).toBeInstanceOf(ToolError)
      }
    }),
    { seed: 8, numRuns: 1000 },
  )
})
