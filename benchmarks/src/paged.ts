import { join } from "node:path"
import { prepareEngineModel } from "./engineModel.ts"
import type { PagedResult, PagedStart } from "./paging/online/PagedRun.ts"
import { findCgroups, runPaged } from "./paging/online/runPaged.ts"
import type { Measurement, Suite } from "./Suite.ts"

const SHARE = 0.4
const NUM_STEPS = 400
const NUM_WARM_STEPS = 150
/** The system's own paging is slow: fewer steps are enough to say so. */
const NUM_MAPPED = { numSteps: 80, numWarmSteps: 40 }
const LOOKAHEADS = [0.66, 0.88]
const SHAPE = "qwen3-30b-a3b"

/** Decode with more experts than memory holds, for real: against the compute and the disk that there are, and against the system's own paging. */
export const paged: Suite = {
  name: "paged",
  question:
    "How fast does a model decode whose experts fit memory to 40 %, of what its compute and the disk allow, and against mapped files under the same limit?",
  takes: [],
  compares: false,
  flags: [{ name: "shape", value: "<name>", purpose: `a shape as of bench engine; ${SHAPE} unless given` }],
  plot: "bars",
  modelName: ({ shape = SHAPE }) => shape,
  async *run(options) {
    const { flags, report, expect, numThreads } = options
    const cgroups = findCgroups()
    expect(3 + LOOKAHEADS.length * 5 + (cgroups === undefined ? 0 : 3))
    const generate = { ...options, format: "int4", flags: { shape: SHAPE, dense: "int4", ...flags } } as const
    const { preparedDir, sourceDir } = await prepareEngineModel(generate, false)
    const common = { preparedDir, sourceDir, numThreads, seed: 1, lookahead: LOOKAHEADS[0]!, cgroup: undefined }
    const run = (change: Partial<PagedStart> & Pick<PagedStart, "pager" | "share">): Promise<PagedResult> =>
      runPaged({ ...common, numSteps: NUM_STEPS, numWarmSteps: NUM_WARM_STEPS, ...change })

    report("all experts awake")
    const resident = await run({ pager: "store", share: 1.01 })
    yield rate("all experts awake", resident)
    yield { name: "an expert", unit: "MiB", samples: [resident.expertBytes / 2 ** 20] }
    yield { name: "the disk, experts read many at once", unit: "GB/s", samples: [resident.diskBytesPerSec / 1e9] }

    for (const lookahead of LOOKAHEADS) {
      report(`${SHARE * 100} % awake, lookahead ${lookahead}`)
      const result = await run({ pager: "store", share: SHARE, lookahead })
      yield* describePaged(`${SHARE * 100} % awake, lookahead ${lookahead * 100} %`, result, resident)
    }

    if (cgroups === undefined) {
      report("not against mapped files: no memory cgroup can be written here")
      return
    }
    const cgroup = join(cgroups, `consilium-paged-${process.pid}`)
    report("our store under a memory limit")
    const store = await run({ pager: "store", share: SHARE, cgroup })
    yield { ...rate(`under a limit of ${mib(store.limitBytes)} MiB`, store), contender: "our store" }
    report("mapped files under the same limit")
    const mapped = await run({ pager: "mmap", share: SHARE, cgroup, ...NUM_MAPPED })
    const name = `under a limit of ${mib(mapped.limitBytes)} MiB`
    yield { ...rate(name, mapped), contender: "mapped files" }
    yield { name: "our store against mapped files", unit: "×", samples: [meanMs(mapped) / meanMs(store)] }
  },
}

function* describePaged(name: string, result: PagedResult, resident: PagedResult): Iterable<Measurement> {
  const { stepsMs, numNeeded, readBytes, aheadBytes, expertBytes, diskBytesPerSec, residentBytes, limitBytes } = result
  const numSteps = stepsMs.length
  const diskMs = (readBytes / numSteps / Math.min(diskBytesPerSec, resident.diskBytesPerSec)) * 1000
  const boundMs = Math.max(meanMs(resident), diskMs)
  yield rate(name, result)
  yield { name: `${name}: of min(compute, disk)`, unit: "%", samples: [(100 * boundMs) / meanMs(result)] }
  yield { name: `${name}: read a step`, unit: "MiB", samples: [readBytes / numSteps / 2 ** 20] }
  const missed = (readBytes - aheadBytes) / expertBytes
  yield {
    name: `${name}: needed experts that were awake or on their way`,
    unit: "%",
    samples: [100 * (1 - missed / numNeeded)],
  }
  yield {
    name: `${name}: resident memory, of what was allowed`,
    unit: "%",
    samples: [(100 * residentBytes) / limitBytes],
    note: `${mib(residentBytes)} MiB of ${mib(limitBytes)}`,
  }
}

function rate(name: string, result: PagedResult): Measurement {
  return { name, unit: "tok/s", samples: [1000 / meanMs(result)] }
}

function meanMs({ stepsMs }: PagedResult): number {
  return stepsMs.reduce((sum, ms) => sum + ms, 0) / stepsMs.length
}

function mib(bytes: number): number {
  return Math.round(bytes / 2 ** 20)
}
