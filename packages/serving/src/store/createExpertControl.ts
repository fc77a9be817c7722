import type { Backend } from "@consilium/kernels"
import type { ControlCommand, ControlResult, Desired, ExpertChange, InjectFault, VersionsReport } from "../control.ts"
import type { createFaults } from "./createFaults.ts"
import type { ExpertStore } from "./createExpertStore.ts"
import type { Tender } from "./createTender.ts"
import type { ExpertsReport } from "./describeExperts.ts"
import type { ExpertKeeper } from "./ExpertKeeper.ts"
import type { ExpertProbe } from "./ExpertProbe.ts"
import { instanceOf } from "./ExpertTable.ts"
import type { ExpertVersions } from "./ExpertVersions.ts"

/** Carries out what operators, and plans, ask of the experts. */
export interface ExpertControl {
  /** @throws RangeError on what cannot be */
  run(command: ControlCommand): ControlResult | Promise<ControlResult>
  scale(wanted: Pick<Desired, "awakePerLayer" | "replicasPerLayer">): void
}

interface ExpertControlOptions {
  readonly store: ExpertStore
  readonly backend: Backend
  readonly probe: ExpertProbe
  readonly versions: ExpertVersions
  readonly keeper: ExpertKeeper
  readonly tender: Tender
  /** Undefined where none may be injected. */
  readonly faults: ReturnType<typeof createFaults> | undefined
  readonly report: () => ExpertsReport
  readonly onChange: (change: Omit<ExpertChange, "atMs">) => void
}

export function createExpertControl(options: ExpertControlOptions): ExpertControl {
  const { store, backend, probe, versions, keeper, tender, faults, report, onChange } = options
  const { table, residency } = store

  const scale: ExpertControl["scale"] = ({ awakePerLayer, replicasPerLayer: replicas }) => {
    tender.setReplicas(replicas)
    const { targets } = residency.limits
    for (let l = 0; l < targets.length; l++) targets[l] = awakePerLayer ?? table.layers[l]!.numInstances
    residency.shrink(store.mayEvict)
    const detail = `${awakePerLayer ?? "all"} awake experts a layer, ${replicas} replicas`
    onChange({ layer: 0, expert: 0, change: "scaled", detail })
  }

  const inject = ({ layer, expert, fault, count }: InjectFault): void => {
    if (faults === undefined) throw new RangeError("faults are not enabled: start with --enable-faults")
    const instance = instanceOf(table, layer, expert)
    if (instance === undefined) throw new RangeError(`layer ${layer} expert ${expert}: there is no such expert`)
    if (fault === "kill-host") {
      if (backend.endHost?.() !== true) throw new RangeError("this backend has no host but the engine itself")
    } else if (fault === "disk-slow") store.slowDisk(count)
    else if (fault === "corrupt-slab") probe.corrupt(instance)
    else faults.add(fault, layer, expert, count)
  }

  return {
    scale,
    run(command) {
      // What a plan wakes is verified as it is read.
      if (command.kind !== "experts" && command.kind !== "keep") tender.noteWork()
      switch (command.kind) {
        case "experts":
          return report()
        case "swap":
          return versions.swap(command.versions, command.share, command.running).then(asResult)
        case "rollback":
          return asResult(versions.rollback(command.experts, command.running))
        case "end-canary":
          return asResult(versions.endCanary(command.isAccepted))
        case "keep":
          return keeper.keep(command.layers)
        case "scale":
          scale(command)
          return { kind: "done" }
        case "fault":
          inject(command)
          return { kind: "done" }
      }
    },
  }
}

function asResult(report: VersionsReport): ControlResult {
  return { kind: "versions", ...report }
}
