export { createSampler, fitsShortlist, type Sampler, type Shortlist } from "./createSampler.ts"
export type { TokenLogProbs } from "./describeToken.ts"
export type { Draw } from "./drawUniform.ts"
export type { History } from "./SamplingScratch.ts"
