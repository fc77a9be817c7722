/** A thread of a read queue: reads what nobody has taken, sleeps until there is more. */
import { readTicket, type ReadTickets, takeTicket, TICKET } from "./readTickets.ts"

declare const self: Worker

self.addEventListener("message", ({ data: tickets }: MessageEvent<ReadTickets>) => {
  const { control } = tickets
  for (;;) {
    const bell = Atomics.load(control, TICKET.bell)
    if (Atomics.load(control, TICKET.isClosed) === 1) return
    const ticket = takeTicket(tickets)
    if (ticket < 0) Atomics.wait(control, TICKET.bell, bell)
    else readTicket(tickets, ticket)
  }
})
