import { createRecordTool } from "../src/answer/RecordTool.ts"
import { handOver } from "../src/answer/Rule.ts"
import type { Case } from "../src/Case.ts"
import data from "./campaigns.json" with { type: "json" }

/** Records say `client`; whose they are is `owner` to a tool. */
const owned = <T extends { readonly client: string }>(
  records: readonly T[],
): (Omit<T, "client"> & { owner: string })[] => records.map(({ client, ...fields }) => ({ ...fields, owner: client }))

const campaignStatus = createRecordTool({
  name: "campaign_status",
  description: "Get status, spending and reach of a campaign",
  key: "campaign",
  keyDescription: "Number of the campaign",
  records: owned(data.campaigns),
  pattern: /\b\d{4}\b/,
})

const postStatus = createRecordTool({
  name: "post_status",
  description: "Get the status of a post",
  key: "post",
  keyDescription: "Number of the post",
  records: owned(data.posts),
  pattern: /\b\d{3}\b/,
})

const streamSchedule = createRecordTool({
  name: "stream_schedule",
  description: "Get title, time, host and platform of a day's livestream",
  key: "day",
  keyDescription: "today, or a weekday",
  records: data.streams,
  pattern: /\b(?:today|saturday)\b/i,
})

/** A social-media agency whose clients ask. */
export const agency: Case = {
  name: "agency",
  title: "Social-media agency",
  userId: "oat",
  instructions: "You are a social media manager. Keep it friendly.",
  rules: [
    handOver("I am handing this over to a colleague of our team, who calls you back today."),
    {
      name: "no promises about health",
      pattern:
        /\b(?:cure|heal|treat|prevent)s?\b.{0,40}\b(?:cancer|illness|disease|diabetes|depression|flu|cold|pain|covid)/i,
      answer: "We cannot write promises about health. Such a text goes to the legal team first.",
    },
  ],
  desks: {
    copy: { lookups: [], tools: [] },
    comments: { lookups: [], tools: [] },
    livestream: { lookups: [streamSchedule], tools: [] },
    campaigns: { lookups: [campaignStatus, postStatus], tools: [] },
  },
  calendar: { file: "calendar.json", event: "livestream", beginsAt: "2026-11-27T20:00:00Z" },
}
