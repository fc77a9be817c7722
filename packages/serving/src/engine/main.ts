/** The engine process: loads one model, serves it over IPC, ends with its parent. Started by `client/Engine.ts` only. */
import { Effect, Schema } from "effect"
import { EngineStart } from "./EngineStart.ts"
import { type EngineModel, loadEngineModel } from "./loadEngineModel.ts"
import { runEngine, sendEvents } from "./runEngine.ts"

// Nothing survives the parent; what a terminal sends to the whole group is the parent's to decide.
process.on("disconnect", () => process.exit(0))
process.on("SIGINT", () => {})
process.on("SIGTERM", () => {})

/** onnxruntime is loaded only where it is needed. */
const loadModel = async (
  ...[start, onProgress, listeners]: Parameters<typeof loadEngineModel>
): Promise<EngineModel> =>
  start.onnxModel === undefined
    ? loadEngineModel(start, onProgress, listeners)
    : (await import("../onnx/loadOnnxModel.ts")).loadOnnxModel(start, start.onnxModel)

const main = Effect.gen(function* () {
  const text = yield* Effect.promise(() => Bun.stdin.text())
  const start = yield* Schema.decodeUnknownEffect(Schema.fromJsonString(EngineStart))(text)
  let reportedAt = 0
  const loaded = yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: () =>
        loadModel(
          start,
          (done, total) => {
            if (performance.now() - reportedAt < 100 && done < total) return
            reportedAt = performance.now()
            sendEvents([{ type: "loading", step: "reading weights", done, total }])
          },
          {
            onChange: (change) => sendEvents([{ type: "changes", changes: [change] }]),
            onQuarantine: (quarantined) => sendEvents([{ type: "quarantine", quarantined }]),
          },
        ),
      catch: (error) => error as Error,
    }),
    (model) => Effect.sync(model.close),
  )
  const { model, backend, format, reason, isSecondBest } = loaded
  const { weightBytes, experts, device } = loaded
  if (start.debug >= 1 || isSecondBest || device !== undefined)
    console.error(`backend ${reason}; format ${format}; ${model.numSlots} slots of ${model.capacity} positions`)
  yield* runEngine(start, {
    model,
    backend,
    format,
    weightBytes,
    isSecondBest,
    experts,
    device,
  })
})

const exit = await Effect.runPromise(
  Effect.scoped(main).pipe(
    Effect.as(0),
    Effect.catch((error) =>
      Effect.sync(() => {
        sendEvents([{ type: "fatal", message: error.message }])
        return 1
      }),
    ),
    // What was sent last must leave the process before it ends.
    Effect.tap(Effect.callback<void>((resume) => void setTimeout(() => resume(Effect.void), 20))),
  ),
)
process.exit(exit)
