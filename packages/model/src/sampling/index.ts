export { createSampler, type History, type SampledToken, type Sampler } from "./createSampler.ts"
export type { Draw } from "./drawUniform.ts"
