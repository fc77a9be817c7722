/** A worker thread that helps `readSpans`. */
import { type ReadTable, takeRuns } from "./readSpans.ts"

declare const self: Worker

self.addEventListener("message", ({ data }: MessageEvent<ReadTable>) => takeRuns(data, () => {}))
