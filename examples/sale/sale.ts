import { createRecordTool } from "../src/answer/RecordTool.ts"
import { handOver } from "../src/answer/Rule.ts"
import type { Case } from "../src/Case.ts"
import data from "./orders.json" with { type: "json" }

const orderStatus = createRecordTool({
  name: "order_status",
  description: "Get the status of an order",
  key: "order",
  keyDescription: "Order number",
  records: data.orders,
  pattern: /\b\d{5}\b/,
})

const returnStatus = createRecordTool({
  name: "return_status",
  description: "Get the status of a return",
  key: "return",
  keyDescription: "Number of the return",
  records: data.returns,
  pattern: /\b\d{4}\b/,
})

const productOffer = createRecordTool({
  name: "product_offer",
  description: "Get stock, price and sale price of a product",
  key: "product",
  keyDescription: "Name of the product",
  records: data.products,
  pattern: new RegExp(data.products.map(({ product }) => product).join("|"), "i"),
  unless: /\d/,
})

/** A shop on its busiest day. */
export const sale: Case = {
  name: "sale",
  title: "E-commerce sales day",
  userId: "mia",
  instructions: "You are the customer service agent of Lumen Market. Help with orders, returns and refunds.",
  rules: [
    handOver(
      "I am sorry. I am handing this over to a colleague of our service team, who calls you back within the hour.",
    ),
  ],
  desks: {
    orders: { lookups: [orderStatus], tools: [] },
    returns: { lookups: [returnStatus], tools: [] },
    offers: { lookups: [productOffer], tools: [] },
  },
  calendar: { file: "calendar.json", event: "sales day", beginsAt: "2026-11-27T10:00:00Z" },
}
