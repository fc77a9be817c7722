import type { GpuFeature } from "./GpuFeatures.ts"
import { ANSWER, createGpuLine, type GpuLine, LINE } from "./GpuLine.ts"
import type { GpuWork } from "./queueWorker.ts"

/** A thread that carries out what a queue asks, one thing after another, as its caller sees it. */
export interface GpuWorker {
  readonly line: GpuLine
  /** Something was asked whose answer was not taken. */
  readonly isAsked: boolean
  /** Whether `takeAnswer` would not wait: the answer is there, or late. */
  readonly isDue: boolean
  /** Asks for something of `ASK`, with so many values of the tape: its answer is late after `mostMs`. */
  ask(what: number, start: number, length: number, mostMs: number): void
  /** Waits for the answer to what was asked. */
  takeAnswer(): { readonly what: number; readonly kind: "done" | "failed" | "late"; readonly words: string }
  /** Ends the thread. One whose driver hangs goes on until that returns, and does nothing then; nobody waits for it. */
  end(): void
}

/** Starts a worker that has no device yet; kernels may use what is allowed. */
export function startGpuWorker(script: URL, allowedFeatures: readonly GpuFeature[]): GpuWorker {
  const line = createGpuLine()
  const { control, text } = line
  const worker = new Worker(script.href)
  worker.unref()
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
  worker.postMessage({ line, allowedFeatures } satisfies GpuWork)
  /** The bell of what was asked, and when its answer is late. */
  let asked:
    { readonly what: number; readonly bell: number; readonly lateMs: number; readonly mostMs: number } | undefined
  const isDone = (): boolean => asked === undefined || Atomics.load(control, LINE.done) === asked.bell

  return {
    line,
    get isAsked() {
      return asked !== undefined
    },
    get isDue() {
      return isDone() || performance.now() >= asked!.lateMs
    },
    ask(what, start, length, mostMs) {
      Atomics.store(control, LINE.ask, what)
      Atomics.store(control, LINE.start, start)
      Atomics.store(control, LINE.length, length)
      const bell = Atomics.add(control, LINE.bell, 1) + 1
      asked = { what, bell, lateMs: performance.now() + mostMs, mostMs }
      Atomics.notify(control, LINE.bell)
    },
    takeAnswer() {
      if (asked === undefined) throw new Error("gpu: nothing was asked")
      const { what, bell, lateMs, mostMs } = asked
      for (let done; (done = Atomics.load(control, LINE.done)) !== bell;) {
        if (Atomics.wait(control, LINE.done, done, Math.max(0, lateMs - performance.now())) !== "timed-out") continue
        asked = undefined
        const words = `expected an answer of the device within ${mostMs / 1000} s, found none: its driver hangs`
        return { what, kind: "late", words }
      }
      asked = undefined
      const words = new TextDecoder().decode(text.slice(0, control[LINE.textLength]))
      return { what, kind: control[LINE.answer] === ANSWER.done ? "done" : "failed", words }
    },
    end: () => worker.terminate(),
  }
}
