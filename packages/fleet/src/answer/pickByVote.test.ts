import { expect, test } from "bun:test"
import { parseVerdict } from "./consultPrompts.ts"
import { pickByVote } from "./pickByVote.ts"

test("pickByVote: the answer that most gave wins, whatever its case, spaces and points", () => {
  expect(pickByVote(["No.", "yes", " Yes! ", "YES"])).toEqual({ winner: 1, numVotes: 3 })
  expect(pickByVote(["a", "b", "b", "a"])).toEqual({ winner: 0, numVotes: 2 })
  expect(pickByVote(["a", "b", "c"])).toEqual({ winner: 0, numVotes: 1 })
  expect(pickByVote(["-5", "5"])).toEqual({ winner: 0, numVotes: 1 })
})

test("parseVerdict: a number of an answer that there is", () => {
  expect(["2", "Answer 3.", "The best is 1", "0", "4", "none", ""].map((words) => parseVerdict(words, 3))).toEqual([
    1,
    2,
    0,
    undefined,
    undefined,
    undefined,
    undefined,
  ])
})
