import { readFileSync } from "node:fs"
import { basename, join } from "node:path"
import type { BenchRecord } from "./BenchRecord.ts"
import { currentCommit } from "./currentCommit.ts"
import { describeMachine } from "./describeMachine.ts"
import { type Command, measuredBy } from "./parseCommand.ts"

/** What a record says beside what was measured: known before the run begins. */
export type RunDescription = Omit<BenchRecord, "measurements" | "interrupted">

/** Describes a run: what was asked, of which commit, on which machine, with which software. @throws Error in one line where the machine lacks the device that is asked for */
export function describeRun(
  { suite, options }: Extract<Command, { kind: "suite" }>,
  args: readonly string[],
): RunDescription {
  const { name, question, compares, plot, axis, showsTail } = suite
  const { formats, backends, format, backend, numThreads, root } = options
  const takes = measuredBy(suite, options.flags)
  const device = suite.findDevice?.(options)
  return {
    suite: name,
    question,
    plot,
    ...(axis !== undefined && { axis }),
    ...(showsTail !== undefined && { showsTail }),
    command: `bun run bench ${publicArguments(args).join(" ")}`,
    commit: currentCommit(root),
    date: new Date().toISOString(),
    machine: describeMachine(device),
    versions: { ...readVersions(root, device !== undefined), ...suite.versions?.(options) },
    options: {
      ...(takes.includes("model") && { model: suite.modelName?.(options.flags) ?? basename(options.modelDir) }),
      ...(takes.includes("format") && { format: compares ? formats.join(" ") : format }),
      ...(takes.includes("backend") && { backend: compares ? backends.join(" ") : backend }),
      threads: numThreads,
    },
  }
}

/** Returns arguments as they may be shown: no keys, and no paths of this machine. */
export function publicArguments(args: readonly string[]): string[] {
  return args.map((arg, i) => {
    if (args[i - 1] === "--api-key") return "…"
    if (arg.startsWith("--api-key=")) return "--api-key=…"
    return arg.replace(/^(--[\w-]+=)?(?:\.{0,2}\/).*$/, (path, flag: string = "") => `${flag}${basename(path)}`)
  })
}

function readVersions(root: string, hasDevice: boolean): Record<string, string> {
  const read = (path: string): unknown => JSON.parse(readFileSync(join(root, path), "utf8"))
  const { version } = read("apps/bench/package.json") as { version: string }
  const { workspaces } = read("package.json") as { workspaces: { catalog: Record<string, string> } }
  const { "onnxruntime-node": onnxruntime, webgpu } = workspaces.catalog
  return { consilium: version, bun: Bun.version, onnxruntime: onnxruntime!, ...(hasDevice && { webgpu: webgpu! }) }
}
