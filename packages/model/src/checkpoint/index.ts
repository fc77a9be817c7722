export { CheckpointError } from "./CheckpointError.ts"
export { type Checkpoint, openCheckpoint, readJsonObject } from "./openCheckpoint.ts"
export { type NamedTensor, writeSafetensors } from "./writeSafetensors.ts"
