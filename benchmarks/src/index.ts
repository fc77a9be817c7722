import { engine } from "./engine.ts"
import { layer } from "./layer.ts"
import { start } from "./start.ts"
import { streams } from "./streams.ts"
import type { Suite } from "./Suite.ts"

export type { Measurement, Suite, SuiteOptions } from "./Suite.ts"

/** Every suite, by the name that `bun run bench <name>` takes. */
export const SUITES: readonly Suite[] = [engine, layer, start, streams]
