import {
  type CalendarDate,
  type CalendarEvent,
  type EventCalendar,
  type EventExperts,
  zoneOffset,
} from "./EventCalendar.ts"

/** A calendar that cannot be: says where, what was expected and what was found. */
export class CalendarError extends Error {
  override readonly name = "CalendarError"
}

const MOST_EVENTS = 1000
const MOST_DATES = 1000
const MOST_NAME = 200
const MOST_MINUTES = 31 * 24 * 60
const MOST_FACTOR = 1000
const MOST_LAYER = 1023
const MOST_EXPERT = 65_535
/** The expert, and a second copy for failover. */
const MOST_COPIES = 2
const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
const DATE = /^(\d{4})-(\d\d)-(\d\d)$/
const TIME = /^([01]\d|2[0-3]):([0-5]\d)$/

/**
 * Turns what a calendar file holds, JSON or TOML read to plain data, into a calendar. Nothing is guessed: unknown fields are errors too.
 *
 *     { "timeZone": "Asia/Shanghai", "events": [
 *       { "name": "livestream", "on": "daily", "at": "20:00", "minutes": 90, "factor": 4 },
 *       { "name": "earnings", "on": ["mon", "tue"], "at": "08:30", "minutes": 120, "factor": 2.5 },
 *       { "name": "sales day", "on": ["2026-11-11"], "at": "00:00", "minutes": 1440, "factor": 6,
 *         "experts": [{ "layer": 3, "expertIds": [17, 40], "copies": 2 }] } ] }
 *
 * @param source the file's name, for errors
 * @throws CalendarError
 */
export function parseCalendar(data: unknown, source: string): EventCalendar {
  const { timeZone, events } = fieldsOf(data, source, ["timeZone", "events"])
  return {
    timeZone: parseZone(timeZone, `${source}: timeZone`),
    events: listOf(events, `${source}: events`, MOST_EVENTS).map((event, i) =>
      parseEvent(event, `${source}: events[${i}]`),
    ),
  }
}

/**
 * Refuses a calendar that names experts which a model does not have.
 *
 * @param numExpertsOf how many experts a layer has; 0 where it has none, or where there is no such layer
 * @throws CalendarError
 */
export function refuseUnknownExperts(
  { events }: EventCalendar,
  source: string,
  numExpertsOf: (layer: number) => number,
): void {
  for (const [i, { experts }] of events.entries()) {
    for (const [j, { layer, expertIds }] of experts.entries()) {
      const at = `${source}: events[${i}].experts[${j}]`
      const numExperts = numExpertsOf(layer)
      if (numExperts === 0) throw wrong(`${at}.layer`, "a layer of the model that has experts", layer)
      const unknown = expertIds.find((id) => id >= numExperts)
      if (unknown !== undefined)
        throw wrong(`${at}.expertIds`, `experts of layer ${layer}, 0 to ${numExperts - 1}`, unknown)
    }
  }
}

function parseEvent(data: unknown, at: string): CalendarEvent {
  const fields = fieldsOf(data, at, ["name", "on", "at", "minutes", "factor"], ["experts"])
  const { name, minutes, factor, experts = [] } = fields
  if (typeof name !== "string" || name.trim() === "" || name.length > MOST_NAME) {
    throw wrong(`${at}.name`, `a text of 1 to ${MOST_NAME} characters`, name)
  }
  const [, hour, minute] = TIME.exec(typeof fields.at === "string" ? fields.at : "") ?? []
  if (hour === undefined) throw wrong(`${at}.at`, `a time from "00:00" to "23:59"`, fields.at)
  return {
    name,
    hour: Number(hour),
    minute: Number(minute),
    durationMs: numberIn(minutes, `${at}.minutes`, 0, MOST_MINUTES) * 60_000,
    factor: numberIn(factor, `${at}.factor`, 0, MOST_FACTOR),
    recurs: parseRecurrence(fields.on, `${at}.on`),
    experts: listOf(experts, `${at}.experts`, MOST_LAYER + 1).map((one, i) => parseExperts(one, `${at}.experts[${i}]`)),
  }
}

function parseRecurrence(data: unknown, at: string): CalendarEvent["recurs"] {
  if (data === "daily") return { kind: "daily" }
  const expected = `"daily", weekdays like ["mon", "fri"], or dates like ["2026-11-11"]`
  if (!Array.isArray(data) || data.length === 0 || data.length > MOST_DATES) throw wrong(at, expected, data)
  if (data.every((day) => WEEKDAYS.includes(day))) {
    return { kind: "weekly", weekdays: data.map((day) => WEEKDAYS.indexOf(day)) }
  }
  return { kind: "dates", dates: data.map((date, i) => parseDate(date, `${at}[${i}]`, expected)) }
}

function parseDate(data: unknown, at: string, expected: string): CalendarDate {
  const [, year, month, day] = (DATE.exec(typeof data === "string" ? data : "") ?? []).map(Number)
  if (year === undefined) throw wrong(at, expected, data)
  const date = new Date(Date.UTC(year, month! - 1, day))
  if (date.getUTCMonth() !== month! - 1 || date.getUTCDate() !== day) throw wrong(at, "a date that exists", data)
  return [year, month!, day!]
}

function parseExperts(data: unknown, at: string): EventExperts {
  const { layer, expertIds, copies = 1 } = fieldsOf(data, at, ["layer", "expertIds"], ["copies"])
  const ids = listOf(expertIds, `${at}.expertIds`, MOST_EXPERT + 1)
  if (ids.length === 0) throw wrong(`${at}.expertIds`, "at least one expert", expertIds)
  return {
    layer: wholeBetween(layer, `${at}.layer`, 0, MOST_LAYER),
    expertIds: [...new Set(ids.map((id, i) => wholeBetween(id, `${at}.expertIds[${i}]`, 0, MOST_EXPERT)))],
    copies: wholeBetween(copies, `${at}.copies`, 1, MOST_COPIES),
  }
}

function parseZone(data: unknown, at: string): string {
  const expected = `an IANA time zone like "Europe/Berlin" or "UTC"`
  if (typeof data !== "string" || data.length > 64) throw wrong(at, expected, data)
  try {
    zoneOffset(data)
  } catch {
    throw wrong(at, expected, data)
  }
  return data
}

/** Returns an object's fields. Inherited ones are none of them. */
function fieldsOf(
  data: unknown,
  at: string,
  needed: readonly string[],
  optional: readonly string[] = [],
): Readonly<Record<string, unknown>> {
  if (typeof data !== "object" || data === null || Array.isArray(data)) throw wrong(at, "an object", data)
  const fields: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(data)) {
    if (![...needed, ...optional].includes(key)) {
      throw new CalendarError(`${at}: unknown field ${quote(key)}: expected ${[...needed, ...optional].join(", ")}`)
    }
    fields[key] = value
  }
  for (const key of needed) {
    if (fields[key] === undefined) throw new CalendarError(`${at}: expected a field ${quote(key)}, found none`)
  }
  return fields
}

function listOf(data: unknown, at: string, most: number): readonly unknown[] {
  if (!Array.isArray(data) || data.length > most) throw wrong(at, `a list of at most ${most}`, data)
  return data
}

function numberIn(data: unknown, at: string, above: number, most: number): number {
  if (typeof data !== "number" || !(data > above && data <= most)) {
    throw wrong(at, `a number above ${above}, at most ${most}`, data)
  }
  return data
}

function wholeBetween(data: unknown, at: string, least: number, most: number): number {
  if (typeof data !== "number" || !Number.isInteger(data) || data < least || data > most) {
    throw wrong(at, `a whole number from ${least} to ${most}`, data)
  }
  return data
}

function wrong(at: string, expected: string, found: unknown): CalendarError {
  return new CalendarError(`${at}: expected ${expected}, found ${quote(found)}`)
}

/** What was found, short enough for an error. */
function quote(found: unknown): string {
  if (Array.isArray(found)) return `a list of ${found.length}`
  if (typeof found === "object" && found !== null) return "an object"
  if (typeof found !== "string") return String(found)
  return JSON.stringify(found.length > 80 ? `${found.slice(0, 80)}…` : found)
}
