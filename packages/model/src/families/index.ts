export type { Family } from "./Family.ts"
export { FAMILIES, loadModelConfig } from "./loadModelConfig.ts"
