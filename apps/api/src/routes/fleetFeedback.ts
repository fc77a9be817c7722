import type { Feedback } from "@consilium/fleet"
import { Elysia } from "elysia"
import type { FleetDeps } from "../http/FleetDeps.ts"
import { readBody } from "../http/readBody.ts"
import type { RequestFields } from "../http/RequestFields.ts"
import { runForRequest } from "../http/sse.ts"

const MOST_PROMPT = 100_000

/** POST /v1/feedback: teaches a fleet's router by how good an answer was. */
export const fleetFeedback = ({ fleet, noteUnknownFields }: FleetDeps) =>
  new Elysia().post(
    "/v1/feedback",
    async ({ request }) => {
      const fields = await readBody(request)
      const feedback = parseFeedback(fields)
      noteUnknownFields(fields.names.filter((name) => !KNOWN.includes(name)))
      const report = await runForRequest(fleet.learn(feedback), request.signal)
      return Response.json({ object: "feedback", ...report })
    },
    { parse: "none" },
  )

const KNOWN = ["id", "expert", "prompt", "reward"]

/** @throws ApiError */
function parseFeedback(fields: RequestFields): Feedback {
  const reward = fields.number("reward", -1, 1) ?? fields.fail("reward", "a number from -1 to 1")
  const [requestId, expert, prompt] = [fields.text("id"), fields.text("expert"), fields.text("prompt")]
  if (requestId !== undefined) {
    if (expert !== undefined || prompt !== undefined) fields.fail("id", "none beside expert and prompt")
    return { about: { kind: "answer", requestId }, reward }
  }
  if (prompt === undefined || prompt.length > MOST_PROMPT)
    return fields.fail("prompt", `a text of at most ${MOST_PROMPT} characters, or the id of an answer`)
  return { about: { kind: "prompt", prompt, expert: expert ?? fields.fail("expert", "an expert's name") }, reward }
}
