export { createSampler, type SampledToken, type Sampler } from "./createSampler.ts"
export type { Draw } from "./drawUniform.ts"
export type { History } from "./SamplingScratch.ts"
