import { expect, test } from "bun:test"
import { join } from "node:path"
import { readQuestions } from "../src/answer/readQuestions.ts"
import { findRule } from "../src/answer/Rule.ts"
import { EMERGENCIES, EMERGENCY_ANSWER } from "./emergencies.ts"

/** The rule was extended by these: it must go on knowing them. */
const KNOWN = [
  "I can't breathe",
  "My father fell down the stairs and does not move",
  "He is not responding",
  "She has taken 30 paracetamol",
  "My son drank drain cleaner",
  "Blood is gushing from his leg",
  "My wife's water broke",
  "I want to kill myself",
  "Her lips are swelling after a bee sting",
  "My baby has stopped breathing",
  "A crushing pain in my chest",
  "My friend is having a seizure",
  "He suddenly can't speak and his arm is weak",
  "My grandmother collapsed in the kitchen",
  "I was hit by a car",
  "I coughed up blood",
  "My child swallowed a battery",
  "My heart is racing and I am about to faint",
  "He cut his wrist",
  "There was a fire and she inhaled smoke",
  "He is diabetic and cannot be woken",
  "A severe allergic reaction to peanuts",
  "The wound will not stop bleeding",
  "Suddenly the worst headache of my life",
  "I feel like I am dying",
  "The toddler fell into the pool",
  "He has a knife in his back",
  "I took too much insulin",
  "SHE IS CHOKING ON A GRAPE",
]

test("emergencies: what people usually say is known, in any case", () => {
  expect(KNOWN.filter((text) => findRule(EMERGENCIES, text)?.answer !== EMERGENCY_ANSWER)).toEqual([])
})

test("emergencies: all of the question set are known, and nothing else of it is taken for one", () => {
  const questions = readQuestions(join(import.meta.dir, "questions.jsonl"))
  const found = questions.filter(({ ask }) => findRule(EMERGENCIES, ask) !== undefined)
  expect(found.map(({ ask }) => ask)).toEqual(questions.filter(({ due }) => due === "emergency").map(({ ask }) => ask))
})
