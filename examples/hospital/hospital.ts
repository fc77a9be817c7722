import { createFunctionTool, ToolError } from "@consilium/agent"
import { Schema } from "effect"
import { createRecordTool } from "../src/answer/RecordTool.ts"
import { handOver } from "../src/answer/Rule.ts"
import type { Case } from "../src/Case.ts"
import data from "./appointments.json" with { type: "json" }
import { EMERGENCIES, EMERGENCY_HEADER } from "./emergencies.ts"

const departments = [...new Set(data.slots.map(({ department }) => department))]

const freeAppointments = createRecordTool({
  name: "free_appointments",
  description: "Find free appointments of a department",
  key: "department",
  keyDescription: "Name of the department",
  records: data.slots,
  pattern: new RegExp(departments.join("|"), "i"),
  unless: /\bbook\b|\bfloor\b|\d{4}/i,
})

const appointmentStatus = createRecordTool({
  name: "appointment_status",
  description: "Get the status of an appointment",
  key: "appointment",
  keyDescription: "Number of the appointment",
  records: data.appointments,
  pattern: /\b\d{4}\b/,
})

/** It changes something, so a person confirms it; only a slot that is free is booked. */
const bookAppointment = createFunctionTool({
  name: "book_appointment",
  description: "Book an appointment",
  args: Schema.Struct({ department: Schema.String, day: Schema.String }),
  changes: true,
  run: async ({ department, day }) => {
    const place = data.slots.findIndex((slot) => slot.department === department.toLowerCase() && slot.day === day)
    if (place < 0) throw new ToolError("no free appointment")
    return JSON.stringify({ confirmation: String(6100 + place) })
  },
})

/** A hospital's desk. It refers emergencies, whatever a model says. */
export const hospital: Case = {
  name: "hospital",
  title: "Hospital desk",
  userId: "sam",
  instructions: "You are the hospital help desk. Help patients find the right department.",
  rules: [
    ...EMERGENCIES,
    handOver("I am handing this over to a colleague of our staff, who calls you back today. It is on record."),
    {
      name: "no advice on medicines",
      pattern:
        /\b(?:how (?:many|much)|what dose|dosage|should i (?:take|stop))\b.{0,60}\b(?:tablet|pill|medic|drop|dose|mg|drug)/i,
      answer: "I cannot advise on medicines. Please ask your doctor or pharmacist before you change anything.",
    },
  ],
  header: EMERGENCY_HEADER,
  desks: {
    departments: { lookups: [], tools: [] },
    appointments: { lookups: [appointmentStatus, freeAppointments], tools: [bookAppointment] },
    visits: { lookups: [], tools: [] },
  },
}
