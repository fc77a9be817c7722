import type { Arena, Rows, Span, SpanUse } from "./Arena.ts"
import { ArenaFullError } from "./ArenaFullError.ts"
import type { MemoryDomains } from "./memoryDomains.ts"
import { createSegmentSource, type Segment } from "./segment.ts"

const ALIGNMENT = 64
const PAGE = 4096
/** Most bytes of a segment, and so of a span: a larger tensor is split by rows. Bun views no more than 4 GiB as one buffer. */
export const MAX_SEGMENT_BYTES = 2 ** 31

/** A free run of a segment, in order of offset; neighbours are always merged. */
interface Gap {
  offset: number
  bytes: number
}

interface OpenSegment extends Segment {
  readonly use: SpanUse
  readonly domain: number | undefined
  readonly gaps: Gap[]
  /** Bytes of each allocated span by offset. */
  readonly spans: Map<number, number>
}

export interface ArenaOptions {
  /** Address space of one segment; touched pages alone cost memory. A larger span gets a segment of its own. */
  readonly segmentBytes?: number
  /** Most bytes handed out at once; `Infinity` unless given. */
  readonly limitBytes?: number
  /** One, bound to nothing, unless given. */
  readonly domains?: MemoryDomains
  /** Told once for each node that segments cannot be bound to, and why: their memory lies where the system likes. */
  readonly onUnbound?: (reason: string) => void
}

/**
 * Creates an arena without any memory yet: segments are opened as spans need them, and live until `close`.
 *
 * Free memory is always zero: `free` clears, `allocate` touches nothing.
 *
 * @throws ArenaFullError from `allocate` and `rows`, when `limitBytes` would be passed
 */
export function createArena({
  segmentBytes = 2 ** 30,
  limitBytes = Number.POSITIVE_INFINITY,
  domains = [undefined],
  onUnbound,
}: ArenaOptions = {}): Arena {
  const openSegment = createSegmentSource(onUnbound)
  const segments: OpenSegment[] = []
  let usedBytes = 0

  const open = (bytes: number, use: SpanUse, domain: number | undefined): OpenSegment => {
    const size = Math.max(segmentBytes, bytes)
    const segment = {
      ...openSegment(size, use, domain === undefined ? undefined : domains[domain]),
      use,
      domain,
      gaps: [{ offset: 0, bytes: size }],
      spans: new Map<number, number>(),
    }
    segments.push(segment)
    return segment
  }

  /** Takes `bytes` from the first gap that holds them at `alignment`; returns the offset. */
  const take = (segment: OpenSegment, bytes: number, alignment: number): number | undefined => {
    for (let g = 0; g < segment.gaps.length; g++) {
      const gap = segment.gaps[g]!
      const offset = roundUp(gap.offset, alignment)
      const end = gap.offset + gap.bytes
      if (offset + bytes > end) continue
      const before = { offset: gap.offset, bytes: offset - gap.offset }
      const after = { offset: offset + bytes, bytes: end - offset - bytes }
      segment.gaps.splice(g, 1, ...[before, after].filter((rest) => rest.bytes > 0))
      segment.spans.set(offset, bytes)
      return offset
    }
    return undefined
  }

  const give = (segment: OpenSegment, offset: number, bytes: number): void => {
    const { gaps } = segment
    const at = gaps.findIndex((gap) => gap.offset > offset)
    const place = at < 0 ? gaps.length : at
    gaps.splice(place, 0, { offset, bytes })
    const next = gaps[place + 1]
    if (next !== undefined && offset + bytes === next.offset) {
      gaps[place]!.bytes += next.bytes
      gaps.splice(place + 1, 1)
    }
    const previous = gaps[place - 1]
    if (previous !== undefined && previous.offset + previous.bytes === offset) {
      previous.bytes += gaps[place]!.bytes
      gaps.splice(place, 1)
    }
  }

  const segmentOf = (span: Span): OpenSegment => {
    const segment = segments[span.segment]
    if (segment?.spans.get(span.offset) !== roundUp(span.bytes, ALIGNMENT)) {
      throw new Error(`arena: span ${span.segment}:${span.offset}+${span.bytes} is not allocated`)
    }
    return segment
  }

  const allocate = (wanted: number, use: SpanUse = "sparse", wantedDomain?: number): Span => {
    if (!Number.isSafeInteger(wanted) || wanted <= 0 || wanted > MAX_SEGMENT_BYTES) {
      throw new Error(`arena: expected 1 to ${MAX_SEGMENT_BYTES} bytes, found ${wanted}: split what is larger`)
    }
    if (wantedDomain !== undefined && wantedDomain >= domains.length)
      throw new Error(`arena: there is no domain ${wantedDomain}, there are ${domains.length}`)
    // A single domain is all memory there is.
    const domain = domains.length > 1 ? wantedDomain : undefined
    const bytes = roundUp(wanted, ALIGNMENT)
    if (usedBytes + bytes > limitBytes) throw new ArenaFullError(bytes, usedBytes, limitBytes)
    const alignment = bytes >= PAGE ? PAGE : ALIGNMENT
    for (let s = 0; s < segments.length; s++) {
      const isLike = segments[s]!.use === use && segments[s]!.domain === domain
      const offset = isLike ? take(segments[s]!, bytes, alignment) : undefined
      if (offset === undefined) continue
      usedBytes += bytes
      return { segment: s, offset, bytes: wanted }
    }
    const offset = take(open(bytes, use, domain), bytes, alignment)
    if (offset === undefined) throw new Error("arena: a new segment has no room")
    usedBytes += bytes
    return { segment: segments.length - 1, offset, bytes: wanted }
  }

  const rows = (numRows: number, width: number): Rows => {
    const span = allocate(Math.max(1, numRows * width) * 4)
    return { span, width, values: new Float32Array(segmentOf(span).buffer, span.offset, numRows * width) }
  }

  return {
    get usedBytes() {
      return usedBytes
    },
    numDomains: domains.length,
    allocate,
    domainOf: ({ segment }) => segments[segment]!.domain ?? 0,
    free(span) {
      const segment = segmentOf(span)
      const bytes = segment.spans.get(span.offset)!
      segment.spans.delete(span.offset)
      segment.clear(span.offset, bytes)
      give(segment, span.offset, bytes)
      usedBytes -= bytes
    },
    bytes(span) {
      return new Uint8Array(segmentOf(span).buffer, span.offset, span.bytes)
    },
    address: ({ segment, offset }) => segments[segment]!.address + offset,
    rows,
    cacheRows(format, numRows, width) {
      if (format === "f32") return rows(numRows, width)
      const span = allocate(Math.max(1, numRows * width) * 2)
      return { span, width, format, words: new Int32Array(segmentOf(span).buffer, span.offset, (numRows * width) / 2) }
    },
    close() {
      for (const segment of segments.splice(0)) segment.close()
      usedBytes = 0
    },
  }
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple
}
