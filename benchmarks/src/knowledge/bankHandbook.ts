import type { Handbook } from "./Handbook.ts"

/** A bank's products. */
export const BANK: Handbook = {
  folder: "bank",
  first: ["Aurora", "Borealis", "Cobalt", "Delta", "Ember", "Falcon", "Granite", "Harbour", "Indigo", "Juniper"],
  second: ["Gold", "Silver", "Classic", "Student", "Family", "Business", "Travel", "Junior", "Premium", "Start"],
  between: " ",
  topics: [
    {
      title: "Lost or stolen card",
      passages: [
        "If your {name} card is lost or stolen, block it at once in the app under Cards, or call {phone} at any hour. A replacement arrives within {days} working days and costs {amount} euros.",
        "Report the loss or theft of a {name} card immediately: in the app, or by phone on {phone}. We block it and send a replacement for {amount} euros, which takes {days} working days.",
      ],
      asked: ["My {name} card was stolen, how do I block it?", "How much is a replacement for a lost {name} card?"],
      reworded: ["I can't find my {name} anywhere, somebody may have taken it", "Left my {name} in a taxi, what now?"],
    },
    {
      title: "Forgotten PIN",
      passages: [
        "You can view the PIN of your {name} card in the app after you have identified yourself. After three wrong entries the card is locked; a new PIN by letter costs {amount} euros and takes {days} days.",
        "Have you forgotten the PIN of your {name}? Look it up in the app. Three wrong entries lock it, and we post you a new one within {days} days for {amount} euros.",
      ],
      asked: ["I have forgotten the PIN of my {name}", "Where can I see the PIN for {name}?"],
      reworded: [
        "I typed the code three times and now the cash machine refuses my {name}",
        "I don't remember the secret number of my {name}",
      ],
    },
    {
      title: "Payments abroad",
      passages: [
        "Payments with {name} in another currency cost {percent} percent of the amount; within the euro area they are free. We convert at the rate of the day on which the merchant books.",
        "For foreign currencies {name} charges {percent} percent on each payment. Purchases in euros are free in all countries. The exchange rate is that of the booking day.",
      ],
      asked: ["What do payments in a foreign currency cost with {name}?", "Which exchange rate does {name} use?"],
      reworded: [
        "I'm going on holiday to Japan, does shopping with my {name} cost extra?",
        "Is there a surcharge when I pay in dollars with {name}?",
      ],
    },
    {
      title: "Cash withdrawals",
      passages: [
        "With {name} you can withdraw up to {limit} euros a day at any machine. The first {days} withdrawals a month are free, each further one costs {amount} euros.",
        "The daily limit for cash withdrawals with {name} is {limit} euros. {days} withdrawals a month are free of charge; after that we charge {amount} euros each.",
      ],
      asked: ["How much can I withdraw a day with {name}?", "Are cash withdrawals with {name} free?"],
      reworded: [
        "What is the most money I can get out of an ATM with my {name}?",
        "Do I pay for taking out banknotes with {name}?",
      ],
    },
    {
      title: "Monthly fee",
      passages: [
        "{name} costs {amount} euros a month. The fee is waived in every month in which at least {limit} euros come in as salary or pension.",
        "The monthly fee of {name} is {amount} euros; we waive it if your salary or pension of {limit} euros or more is paid in.",
      ],
      asked: ["What is the monthly fee of {name}?", "When is the fee for {name} waived?"],
      reworded: ["How expensive is it to keep {name}?", "Is there a way to have {name} for nothing?"],
    },
    {
      title: "Disputing a payment",
      passages: [
        "If you do not recognise a payment on your {name} statement, dispute it in the app within {days} weeks. We credit the amount provisionally and claim it back from the merchant.",
        "Unknown payments on {name} can be disputed for {days} weeks: open the payment in the app and choose Dispute. The merchant has to prove it, and the amount is credited until then.",
      ],
      asked: [
        "How do I dispute a payment on my {name} statement?",
        "There is a payment that I do not recognise on {name}",
      ],
      reworded: [
        "A shop charged my {name} twice and will not give the money back",
        "There's a debit on my {name} that I never made",
      ],
    },
    {
      title: "Card delivery",
      passages: [
        "A new {name} card is posted to your home within {days} working days; the PIN follows in a second letter. Express delivery by courier costs {amount} euros.",
        "We post new {name} cards within {days} working days, and the PIN separately. A courier brings it on the next day for {amount} euros.",
      ],
      asked: [
        "How many working days does delivery of a new {name} take?",
        "What does express delivery of {name} cost?",
      ],
      reworded: [
        "I ordered {name} last week and nothing has come in the mail",
        "Can I get the {name} faster, I leave on Friday?",
      ],
    },
    {
      title: "Contactless payments",
      passages: [
        "With {name} you pay contactless up to {limit} euros without a PIN. You can turn the function off in the app under Security, or add the card to your phone's wallet.",
        "Contactless payments with {name} need no PIN up to {limit} euros. The function can be switched off in the app, and the card works in a phone's wallet too.",
      ],
      asked: [
        "Up to how much is contactless without PIN with {name}?",
        "Can I turn off contactless payments on {name}?",
      ],
      reworded: [
        "Tapping my {name} at the till stopped working above a certain sum",
        "Can I use my mobile instead of the plastic for {name}?",
      ],
    },
    {
      title: "Opening and documents",
      passages: [
        "To open {name} you need a valid identity document, your tax number and proof of address not older than {days} months. You can identify yourself by video or in a branch.",
        "Opening {name} takes ten minutes: have your passport or identity card, tax number and a proof of address of the last {days} months at hand. Video identification is possible.",
      ],
      asked: ["Which documents do I need to open {name}?", "Can I identify myself by video for {name}?"],
      reworded: [
        "What papers must I bring to become a customer with {name}?",
        "I want to sign up for {name}, what is required?",
      ],
    },
    {
      title: "Overdraft",
      passages: [
        "{name} can be overdrawn by up to {limit} euros once your income has been paid in for {days} months. We charge {percent} percent interest a year on the overdraft.",
        "After {days} months of regular income {name} comes with an overdraft of up to {limit} euros, at {percent} percent interest a year.",
      ],
      asked: ["What overdraft does {name} have?", "How much interest is charged on an overdraft of {name}?"],
      reworded: ["May my balance go below zero on {name}?", "I'm in the red with {name}, what will that cost me?"],
    },
    {
      title: "Savings interest",
      passages: [
        "Money in the savings pot of {name} earns {percent} percent interest a year, credited at the end of each quarter, on up to {limit} euros. You can take it out at any time.",
        "The savings pot of {name} pays {percent} percent a year on balances up to {limit} euros. Interest is credited quarterly, and the money stays available every day.",
      ],
      asked: ["How much interest does the savings pot of {name} pay?", "When is savings interest credited on {name}?"],
      reworded: ["What do I earn if I put some money aside with {name}?", "Does my unspent cash grow in {name}?"],
    },
    {
      title: "Closing",
      passages: [
        "You can close {name} at the end of any month, in the app or by letter. Transfer the balance first; cards are to be cut up, and statements stay available for {days} years.",
        "{name} can be closed at each month's end in the app or in writing. The balance is transferred to an account that you name; statements can be read for {days} more years.",
      ],
      asked: ["How can I close {name}?", "What happens to the balance when {name} is closed?"],
      reworded: ["I want to leave you and get rid of {name}", "How do I terminate my contract for {name}?"],
    },
    {
      title: "Change of address",
      passages: [
        "Tell us a new address for {name} within {days} weeks, in the app under Profile. We ask for a confirmation of registration where the country changes.",
        "Has your address changed? Enter the new one for {name} in the app under Profile within {days} weeks; a move to another country needs a confirmation of registration.",
      ],
      asked: ["How do I change the address for {name}?", "Where in the app do I enter a new address for {name}?"],
      reworded: [
        "We are moving house next month, who do I tell about {name}?",
        "Letters about my {name} still go to the old flat",
      ],
    },
    {
      title: "Second card",
      passages: [
        "A second card for {name} for a partner or another person costs {amount} euros a year. Both use the same balance; you set a limit for each of them in the app.",
        "You can order an additional {name} card for somebody else for {amount} euros a year. It draws on your balance up to the limit that you set in the app.",
      ],
      asked: ["What does a second card for {name} cost?", "Can I set a limit for an additional {name} card?"],
      reworded: ["Can my wife have one too for my {name}?", "I would like my daughter to pay from my {name} as well"],
    },
    {
      title: "Travel insurance",
      passages: [
        "{name} includes travel insurance: medical treatment abroad up to {limit} thousand euros, cancelled trips and lost luggage, if you paid the trip with it. Excess {amount} euros.",
        "Trips that you pay with {name} are insured: treatment abroad up to {limit} thousand euros, cancellation and luggage, with an excess of {amount} euros.",
      ],
      asked: ["Does {name} include travel insurance?", "Is lost luggage insured with {name}?"],
      reworded: [
        "I broke my leg skiing, does {name} pay the hospital?",
        "Our flight was called off, do I get something back through {name}?",
      ],
    },
    {
      title: "Transfers",
      passages: [
        "Transfers from {name} within Europe arrive on the next working day, instant transfers within ten seconds for {amount} euros. The daily limit is {limit} euros.",
        "You can transfer up to {limit} euros a day from {name}. Money arrives within Europe on the next working day, or in seconds as an instant transfer for {amount} euros.",
      ],
      asked: ["How long does a transfer from {name} take?", "What is the daily transfer limit of {name}?"],
      reworded: [
        "When will my landlord have the rent that I sent from {name}?",
        "How can I send money to a friend right away with {name}?",
      ],
    },
  ],
}
