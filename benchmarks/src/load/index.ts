export { parseTrace } from "./parseTrace.ts"
export { synthesizeTrace } from "./synthesizeTrace.ts"
export type { TracedRequest } from "./TracedRequest.ts"
