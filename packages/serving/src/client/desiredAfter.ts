import type { ControlCommand, ControlResult, Desired } from "../control.ts"

/** Returns what is desired once a command has been carried out; the same object where it changes nothing that lasts. */
export function desiredAfter(desired: Desired, command: ControlCommand, result: ControlResult): Desired {
  if (command.kind === "scale")
    return { ...desired, awakePerLayer: command.awakePerLayer, replicasPerLayer: command.replicasPerLayer }
  if (result.kind !== "versions") return desired
  const { versions, earlier, canary } = result
  return { ...desired, versions, earlier, canary: canary && { versions: canary.versions, share: canary.share } }
}
