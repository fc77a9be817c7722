import { Elysia } from "elysia"
import { readBody } from "../http/readBody.ts"
import type { ServiceDeps } from "../http/ServiceDeps.ts"
import { chatBody, chatChunks } from "../openai/chatResponse.ts"
import { parseChatRequest } from "../openai/parseChatRequest.ts"
import { agentChat, namesAgent } from "./agentChat.ts"
import { answer } from "./answer.ts"
import { checkModel } from "./models.ts"

/** POST /v1/chat/completions */
export const chatCompletions = (deps: ServiceDeps) =>
  new Elysia().post(
    "/v1/chat/completions",
    async ({ request }) => {
      const fields = await readBody(request)
      if (namesAgent(fields)) return agentChat(deps, fields, request)
      const chat = parseChatRequest(fields)
      checkModel(chat.model, deps.modelId)
      deps.noteUnknownFields(chat.unknownFields)

      const requestId = `chatcmpl-${crypto.randomUUID()}`
      const head = { id: requestId, created: Math.floor(Date.now() / 1000), model: deps.modelId }
      const { messages, tools, includesUsage, isStream, consilium, ...params } = chat
      return answer(deps, {
        requestId,
        isStream,
        consilium,
        request,
        requests: [{ ...params, requestId, prompt: { kind: "chat", messages, tools }, trace: consilium.trace }],
        form: {
          chunks: (consiliumOf) => chatChunks(head, includesUsage, consiliumOf),
          body: (events, consiliumOf) => chatBody(head, events, consiliumOf),
        },
      })
    },
    { parse: "none" },
  )
