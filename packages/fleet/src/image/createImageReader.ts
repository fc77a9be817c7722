import { Effect, type Scope, Semaphore } from "effect"
import type { FleetConfig } from "../config/FleetConfig.ts"
import { FleetError } from "../FleetError.ts"
import type { FleetMessage } from "../FleetRequest.ts"
import { ImageError } from "./decodePixels.ts"
import { describeImage } from "./describeImage.ts"
import { ClassifierError, type Classify, openClassifier } from "./openClassifier.ts"

/** Turns the images of messages into text, for experts that read text only. */
export type ReadImages = (messages: readonly FleetMessage[]) => Effect.Effect<readonly FleetMessage[], FleetError>

const MOST_BYTES = 24 * 2 ** 20
const MOST_IMAGES = 16
const MOST_AT_ONCE = 2

/** Returns what reads images by the fleet's experts of the kind `onnx`; undefined where it has none. */
export const createImageReader = Effect.fnUntraced(function* ({
  experts,
}: FleetConfig): Effect.fn.Return<ReadImages | undefined, never, Scope.Scope> {
  const readers = experts.filter((expert) => expert.kind === "onnx")
  if (readers.length === 0) return undefined
  const classifiers: Classify[] = []
  for (const reader of readers)
    if (reader.model !== undefined) classifiers.push(yield* openClassifier(reader, reader.model))
  // A decoded image takes hundreds of megabytes at most: few at once.
  const turns = yield* Semaphore.make(MOST_AT_ONCE)
  return (messages) =>
    turns.withPermit(
      Effect.tryPromise({ try: (signal) => readMessages(messages, classifiers, signal), catch: asFleetError }),
    )
})

function asFleetError(error: unknown): FleetError {
  if (error instanceof ImageError)
    return new FleetError({ code: "bad-request", message: `An image cannot be read: ${error.message}.`, attempts: [] })
  if (error instanceof ClassifierError)
    return new FleetError({
      code: "all-failed",
      message: `The classifier of images failed: ${error.message}.`,
      attempts: [],
    })
  throw error
}

async function readMessages(
  messages: readonly FleetMessage[],
  classifiers: readonly Classify[],
  signal: AbortSignal,
): Promise<readonly FleetMessage[]> {
  const numImages = messages.reduce((sum, { images = [] }) => sum + images.length, 0)
  if (numImages > MOST_IMAGES) throw new ImageError(`expected at most ${MOST_IMAGES} images, found ${numImages}`)
  let number = 0
  const read: FleetMessage[] = []
  for (const { images = [], ...message } of messages) {
    const words: string[] = []
    for (const url of images) {
      const bytes = bytesOf(url)
      const sightings = await Promise.all(classifiers.map((classify) => classify(bytes, signal)))
      words.push(`[Image ${++number}: ${await describeImage(bytes, sightings.flat())}]`)
    }
    read.push({ ...message, content: [...words, message.content].filter((part) => part !== "").join("\n") })
  }
  return read
}

/** Only what came with the request is read: nothing is fetched. */
function bytesOf(url: string): Uint8Array {
  const data = /^data:image\/[\w.+-]+;base64,([A-Za-z0-9+/=\s]*)$/.exec(url)?.[1]
  if (data === undefined) throw new ImageError("expected a data URL in base64; addresses are not fetched")
  const bytes = Buffer.from(data, "base64")
  if (bytes.length > MOST_BYTES) throw new ImageError(`expected at most ${MOST_BYTES} bytes, found ${bytes.length}`)
  return bytes
}
