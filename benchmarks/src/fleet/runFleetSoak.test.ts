import { expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { miniOptions } from "../../test/miniOptions.ts"
import { openSoakFleet } from "./openSoakFleet.ts"
import { runFleetSoak } from "./runFleetSoak.ts"

const SEED = 5
const NUM_REQUESTS = 400

test(`${NUM_REQUESTS} requests to three local and two failing remote experts end once each, in time; the full form is \`bun run bench fleet\``, async () => {
  const cacheDir = mkdtempSync(join(tmpdir(), "consilium-fleet-cache-"))
  const fleet = await openSoakFleet(miniOptions(cacheDir, 1), SEED)
  try {
    const result = await runFleetSoak({
      ...fleet,
      numRequests: NUM_REQUESTS,
      numClients: 8,
      seed: SEED,
      signal: new AbortController().signal,
    })
    const { wrongs, numAnswers, numErrors, numFailedOver, numContinued, numConsulted, numKills } = result
    const errors = Object.entries(numErrors).map(([code, num]) => `${num} ${code}`)
    console.log(
      `seed ${SEED}: ${numAnswers} answers (${numFailedOver} by others, ${numContinued} gone on with, ${numConsulted} consulted), ${errors.join(", ")}, ${numKills} kills`,
    )
    expect(wrongs).toEqual([])
    expect(numAnswers).toBeGreaterThan(NUM_REQUESTS / 2)
    for (const seen of [numFailedOver, numConsulted, numKills]) expect(seen).toBeGreaterThan(0)
    const { risk, copy } = fleet.peers
    for (const fault of Object.keys(risk.numFaults))
      expect(risk.numFaults[fault]! + copy.numFaults[fault]!, fault).toBeGreaterThan(0)
  } finally {
    await fleet.close()
    rmSync(cacheDir, { recursive: true, force: true })
  }
}, 240_000)
