import { expect, test } from "bun:test"
import { planConsultation } from "./planConsultation.ts"

const members = [undefined, "cheap", "strong", undefined].map((role) => ({ config: { role } }))
const planOf = (
  order: number[],
  costs: number[],
  numExperts: number,
  budgetUsd = Number.POSITIVE_INFINITY,
  generalist = 3,
) =>
  planConsultation(
    { members, generalist },
    { order, pressures: costs.map((costUsd) => ({ costUsd })) },
    numExperts,
    budgetUsd,
  )

test("planConsultation: the best are asked, and the strong one decides, else the generalist, else the best", () => {
  expect(planOf([1, 0, 2, 3], [0, 0, 0, 0], 3)).toEqual({ proposers: [1, 0, 2], judge: 2 })
  expect(planOf([1, 0, 3], [0, 0, 0, 0], 2)).toEqual({ proposers: [1, 0], judge: 3 })
  expect(planOf([1, 0], [0, 0, 0, 0], 4)).toEqual({ proposers: [1, 0], judge: 1 })
})

test("planConsultation: a budget pays for who decides first, then for as many as it can", () => {
  expect(planOf([0, 1, 2, 3], [4, 1, 5, 1], 3, 10)).toEqual({ proposers: [0, 1], judge: 2 })
  expect(planOf([0, 1, 2, 3], [4, 1, 5, 1], 4, 7).proposers).toEqual([1, 3])
  expect(planOf([0, 1, 2, 3], [4, 1, 5, 1], 4, 5).proposers).toEqual([])
})
