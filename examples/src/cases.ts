import { agency } from "../agency/agency.ts"
import { bank } from "../bank/bank.ts"
import { hospital } from "../hospital/hospital.ts"
import { sale } from "../sale/sale.ts"
import type { Case } from "./Case.ts"

/** Every case, by the name that `bun run example <case>` takes. */
export const CASES: readonly Case[] = [bank, sale, agency, hospital]
