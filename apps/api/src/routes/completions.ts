import { type CompletionEvent, decodePrompt } from "@consilium/serving"
import { Elysia } from "elysia"
import { readBody } from "../http/readBody.ts"
import type { ServiceDeps } from "../http/ServiceDeps.ts"
import { completionBody, completionChunks } from "../openai/completionResponse.ts"
import { parseCompletionRequest } from "../openai/parseCompletionRequest.ts"
import { answer } from "./answer.ts"
import { checkModel } from "./models.ts"

/** POST /v1/completions */
export const completions = (deps: ServiceDeps) =>
  new Elysia().post(
    "/v1/completions",
    async ({ request }) => {
      const body = parseCompletionRequest(await readBody(request))
      checkModel(body.model, deps.modelId)
      deps.noteUnknownFields(body.unknownFields)

      const requestId = `cmpl-${crypto.randomUUID()}`
      const head = { id: requestId, created: Math.floor(Date.now() / 1000), model: deps.modelId }
      const { prompts, echo, includesUsage, isStream, consilium, ...params } = body
      const echoed = echo
        ? prompts.flatMap((prompt) => Array<string>(params.numChoices).fill(decodePrompt(prompt, deps.text)))
        : []
      const begin = (event: CompletionEvent): CompletionEvent[] => {
        const text = echoed[event.choice]
        if (text === undefined) return [event]
        delete echoed[event.choice]
        return [{ type: "text", choice: event.choice, text, logProbs: [] }, event]
      }
      return answer(deps, {
        requestId,
        isStream,
        consilium,
        request,
        requests: prompts.map((prompt, i) => ({
          ...params,
          requestId: `${requestId}-${i}`,
          prompt,
          trace: consilium.trace,
        })),
        form: {
          chunks(consiliumOf) {
            const chunks = completionChunks(head, includesUsage, prompts.length, consiliumOf)
            return { push: (event) => begin(event).map(chunks.push).join(""), end: chunks.end }
          },
          body: (events, consiliumOf) => completionBody(head, events.flatMap(begin), prompts.length, consiliumOf),
        },
      })
    },
    { parse: "none" },
  )
