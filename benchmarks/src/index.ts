import { balance } from "./balance.ts"
import { cases } from "./cases.ts"
import { engine } from "./engine.ts"
import { fleet } from "./fleet.ts"
import { gpu } from "./gpu.ts"
import { kernels } from "./kernels.ts"
import { knowledge } from "./knowledge.ts"
import { layer } from "./layer.ts"
import { lifecycle } from "./lifecycle.ts"
import { losses } from "./losses.ts"
import { paged } from "./paged.ts"
import { paging } from "./paging.ts"
import { router } from "./router.ts"
import { scale } from "./scale.ts"
import { serve } from "./serve.ts"
import { soak } from "./soak.ts"
import { sparse } from "./sparse.ts"
import { start } from "./start.ts"
import { streams } from "./streams.ts"
import type { Suite } from "./Suite.ts"

export { BACKENDS, type BenchedBackend, GPU, runnableBackends } from "./createBackend.ts"
export { FIGURES } from "./figures.ts"
export { SHAPES } from "./generate/parseShape.ts"
export { readable, summarise, type Summary } from "./summarise.ts"
export { type Device, FORMATS, type Measurement, type Suite, type SuiteOptions, type Unit, UNITS } from "./Suite.ts"

/** Every suite, by the name that `bun run bench <name>` takes. */
export const SUITES: readonly Suite[] = [
  balance,
  cases,
  engine,
  fleet,
  gpu,
  kernels,
  knowledge,
  layer,
  lifecycle,
  losses,
  paged,
  paging,
  router,
  scale,
  serve,
  sparse,
  soak,
  start,
  streams,
]
