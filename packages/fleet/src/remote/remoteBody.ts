import type { ChatMessage } from "@consilium/serving"
import type { RemoteExpertConfig } from "../config/FleetConfig.ts"
import type { ExpertRequest, FleetMessage } from "../FleetRequest.ts"

/** Returns the body of a request to a peer: what the client said, its sampling only where it differs from the usual. */
export function remoteBody(
  { model, limits }: Pick<RemoteExpertConfig, "model" | "limits">,
  request: ExpertRequest,
): object {
  const { messages, tools, sampling, seed, stop, numChoices, prefix } = request
  const maxTokens = Math.min(request.maxTokens ?? Number.POSITIVE_INFINITY, limits.maxTokens)
  const begun: readonly ChatMessage[] = prefix === "" ? [] : [{ role: "assistant", content: prefix }]
  return {
    model,
    messages: [...messages, ...begun].map(remoteMessage),
    stream: true,
    stream_options: { include_usage: true },
    ...unless(maxTokens === Number.POSITIVE_INFINITY, { max_tokens: maxTokens }),
    ...unless(tools.length === 0, { tools }),
    ...unless(stop.length === 0, { stop }),
    ...unless(seed === undefined, { seed }),
    ...unless(numChoices === 1, { n: numChoices }),
    ...unless(prefix === "", { continue_final_message: true, add_generation_prompt: false }),
    ...remoteSampling(sampling),
  }
}

function remoteSampling(sampling: ExpertRequest["sampling"]): object {
  const { temperature, topP, topK, minP, repetitionPenalty, presencePenalty, frequencyPenalty, logitBias } = sampling
  return {
    ...unless(temperature === 1, { temperature }),
    ...unless(topP === 1, { top_p: topP }),
    ...unless(topK === 0, { top_k: topK }),
    ...unless(minP === 0, { min_p: minP }),
    ...unless(repetitionPenalty === 1, { repetition_penalty: repetitionPenalty }),
    ...unless(presencePenalty === 0, { presence_penalty: presencePenalty }),
    ...unless(frequencyPenalty === 0, { frequency_penalty: frequencyPenalty }),
    ...unless(logitBias.length === 0, { logit_bias: Object.fromEntries(logitBias) }),
  }
}

function remoteMessage({ role, content, name, toolCalls, toolCallId, images = [] }: FleetMessage): object {
  return {
    role,
    content: images.length === 0 ? content : contentParts(content, images),
    ...unless(name === undefined, { name }),
    ...unless(toolCallId === undefined, { tool_call_id: toolCallId }),
    ...unless(toolCalls === undefined, {
      tool_calls: toolCalls?.map(({ id, name: called, arguments: given }) => ({
        id,
        type: "function",
        function: { name: called, arguments: given },
      })),
    }),
  }
}

function contentParts(content: string, images: readonly string[]): readonly object[] {
  const text = content === "" ? [] : [{ type: "text", text: content }]
  return [...text, ...images.map((url) => ({ type: "image_url", image_url: { url } }))]
}

function unless(isLeftOut: boolean, fields: object): object {
  return isLeftOut ? {} : fields
}
