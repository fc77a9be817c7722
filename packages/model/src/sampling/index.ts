export { createSampler, fitsShortlist, type Sampler, type Shortlist, SHORTLIST_LENGTH } from "./createSampler.ts"
export type { TokenLogProbs } from "./describeToken.ts"
export type { Draw } from "./drawUniform.ts"
export type { History } from "./SamplingScratch.ts"
