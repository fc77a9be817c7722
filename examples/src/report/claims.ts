/** What such projects publish, before and after: a bank's, with its cost of a request ($0.0024 → $0.0008). */
export const CLAIMS = {
  responseMs: [2300, 780],
  resolvedPercent: [78, 93],
  streams: [50, 220],
  usdPerThousand: [2.4, 0.8],
} as const satisfies Readonly<Record<string, readonly [before: number, after: number]>>
