import type { Handbook } from "./Handbook.ts"

/** A shop's goods. */
export const SHOP: Handbook = {
  folder: "shop",
  first: ["Alba", "Brio", "Cirrus", "Dune", "Elara", "Fjord", "Gala", "Halo", "Iris", "Jade"],
  second: [
    "kettle",
    "vacuum cleaner",
    "washing machine",
    "fridge",
    "desk lamp",
    "coffee maker",
    "armchair",
    "bicycle",
    "headphones",
    "oven",
  ],
  between: " ",
  topics: [
    {
      title: "Warranty",
      passages: [
        "The {name} has a warranty of {days} years from the date of purchase. It covers faults in material and manufacture, not wear or falls. Keep the invoice.",
        "We give {days} years of warranty on the {name}, against faults in material and manufacture; wear and falls are not covered. The invoice is your proof.",
      ],
      asked: ["How long is the warranty of the {name}?", "Does the warranty on my {name} cover falls?"],
      reworded: [
        "My {name} stopped working after a year, who pays for the repair?",
        "Is there a guarantee if the {name} breaks?",
      ],
    },
    {
      title: "Returns",
      passages: [
        "You may return the {name} within {days} days, unused and in its packaging. Print the label in your account; we refund the price within a week. Collection costs {amount} euros.",
        "The {name} can be returned for {days} days if it is unused and packed as it came. The label is in your account, collection costs {amount} euros, the refund takes a week.",
      ],
      asked: ["How can I return the {name}?", "Within how many days can the {name} be returned?"],
      reworded: [
        "I changed my mind about the {name} and want to send it back",
        "The {name} doesn't suit me, can I have my money again?",
      ],
    },
    {
      title: "Delivery",
      passages: [
        "The {name} is delivered within {days} working days, to the kerb. We send a message with a window of two hours on the day before. Delivery costs {amount} euros.",
        "Delivery of the {name} takes {days} working days and costs {amount} euros. You are told a window of two hours on the evening before; the driver unloads at the kerb.",
      ],
      asked: ["What does delivery of the {name} cost?", "How many working days does the {name} take to be delivered?"],
      reworded: ["When will my {name} be here?", "Does the driver carry the {name} up to the third floor?"],
    },
    {
      title: "Availability",
      passages: [
        "The {name} is out of stock at present and expected again in {days} weeks. Reserve one with a deposit of {amount} euros and we write as soon as it is in.",
        "At the moment the {name} is sold out; new stock is expected within {days} weeks. A deposit of {amount} euros reserves one for you.",
      ],
      asked: ["When is the {name} in stock again?", "Can I reserve the {name} with a deposit?"],
      reworded: ["I can't put the {name} in my basket, it says none left", "Will you get more of the {name} soon?"],
    },
    {
      title: "Cleaning and care",
      passages: [
        "Clean the {name} with a damp cloth and mild soap every {days} weeks. Never use scouring agents or put parts into the dishwasher.",
        "A damp cloth with mild soap is all that the {name} needs, every {days} weeks. Scouring agents scratch it, and its parts do not belong into a dishwasher.",
      ],
      asked: ["How do I clean the {name}?", "May parts of the {name} go into the dishwasher?"],
      reworded: [
        "My {name} is full of stains, how do I get them off?",
        "What's the best way to keep the {name} looking new?",
      ],
    },
    {
      title: "Spare parts",
      passages: [
        "Spare parts for the {name} are kept for {days} years after the last one is sold. Order them with the number on the type plate; most cost under {amount} euros.",
        "For {days} years after its last sale we keep spare parts for the {name}. You need the number on the type plate to order; few cost more than {amount} euros.",
      ],
      asked: [
        "Where do I order spare parts for the {name}?",
        "For how many years are there spare parts for the {name}?",
      ],
      reworded: [
        "A knob of my {name} came off and I need another one",
        "Can I buy just a single component for the {name}?",
      ],
    },
    {
      title: "Assembly",
      passages: [
        "The {name} comes in {days} pieces and is assembled in half an hour with the tool in the box. A film shows each step; tighten all screws again after a month.",
        "Assembling the {name} takes half an hour: {days} pieces, and the tool is in the box. Follow the film, and tighten the screws once more after a month.",
      ],
      asked: ["How is the {name} assembled?", "Is a tool for assembly of the {name} in the box?"],
      reworded: ["How do I put the {name} together?", "I don't understand the instructions for setting up my {name}"],
    },
    {
      title: "Energy",
      passages: [
        "In normal use the {name} takes {limit} kilowatt-hours of energy a year and {percent} watts on standby. Its energy label is class B.",
        "The {name} has energy class B: {limit} kilowatt-hours a year in normal use, {percent} watts on standby.",
      ],
      asked: ["How much energy does the {name} take in a year?", "What energy class is the {name}?"],
      reworded: ["Will the {name} make my electricity bill go up?", "Is the {name} economical to run?"],
    },
    {
      title: "Damage in transit",
      passages: [
        "If the {name} arrives damaged, photograph it and the box and report it within {days} days in your account. We exchange it at our cost, or take {percent} percent off if you keep it.",
        "Report a {name} that was damaged in transit within {days} days, with photographs of it and of the box. You choose: an exchange at our cost, or {percent} percent off.",
      ],
      asked: ["The {name} arrived damaged, what do I do?", "Will you exchange a {name} that was damaged in transit?"],
      reworded: [
        "There's a big scratch on the {name} that you brought yesterday",
        "I opened the parcel and the {name} was in pieces",
      ],
    },
    {
      title: "Price promise",
      passages: [
        "If another shop offers the {name} at a lower price within {days} days, we refund the difference. Send us the offer; marketplaces and used goods do not count.",
        "Our price promise holds for the {name}: show us a lower price at another shop within {days} days and the difference is refunded. Used goods and marketplaces are excluded.",
      ],
      asked: [
        "Does the price promise hold for the {name}?",
        "Do you refund the difference if another shop has a lower price for the {name}?",
      ],
      reworded: [
        "I've seen the {name} cheaper elsewhere",
        "Your competitor sells the {name} for less, will you match it?",
      ],
    },
    {
      title: "Gift wrapping",
      passages: [
        "We wrap the {name} as a gift for {amount} euros, with a card of up to {limit} letters. The invoice goes to you by e-mail and is not in the box.",
        "Gift wrapping for the {name} costs {amount} euros and includes a card with up to {limit} letters. No price is in the box: the invoice comes by e-mail.",
      ],
      asked: ["What does gift wrapping cost for the {name}?", "Is the invoice in the box when the {name} is a gift?"],
      reworded: [
        "The {name} is a birthday surprise for my mother, can you make it look nice?",
        "Can I add some personal words when I send the {name} to a friend?",
      ],
    },
    {
      title: "Installation",
      passages: [
        "Our fitters bring the {name} to where you want it, connect it and show you how it works, for {amount} euros. Choose a date when you order, up to {days} weeks ahead.",
        "For {amount} euros our fitters carry in and connect the {name} and explain it. You choose the date with the order, at most {days} weeks ahead.",
      ],
      asked: ["What do fitters charge to connect the {name}?", "Can I choose a date for installation of the {name}?"],
      reworded: [
        "I'm not handy, can somebody hook up the {name} for me?",
        "Do you send a technician along with the {name}?",
      ],
    },
    {
      title: "Instalments",
      passages: [
        "You can pay the {name} in {days} monthly instalments at {percent} percent a year. The first is due a month after dispatch; you may pay off the rest at any time.",
        "The {name} can be paid in {days} instalments, one a month, at {percent} percent a year. The first falls due a month after dispatch, and early repayment is free.",
      ],
      asked: ["Can I pay the {name} in instalments?", "When is the first instalment for the {name} due?"],
      reworded: [
        "I don't have enough for the {name} right now, can I spread the cost?",
        "Is there some kind of credit for buying the {name}?",
      ],
    },
    {
      title: "Dimensions and weight",
      passages: [
        "The {name} is {limit} millimetres wide and weighs {amount} kilograms without packaging. Leave {days} centimetres free behind it.",
        "Dimensions of the {name}: {limit} millimetres in width; weight {amount} kilograms without packaging. {days} centimetres behind it must stay free.",
      ],
      asked: ["How wide is the {name} in millimetres?", "What is the weight of the {name}?"],
      reworded: ["Does the {name} fit into a small kitchen corner?", "Is the {name} too heavy for one person to lift?"],
    },
    {
      title: "Old appliance",
      passages: [
        "When we deliver the {name} we take your old one with us for recycling, for {amount} euros. It must be emptied and unplugged; say so at least {days} days before.",
        "We recycle what the {name} replaces: our driver takes the old one along for {amount} euros, if it is emptied and unplugged. Book it {days} days before.",
      ],
      asked: [
        "Do you take the old one for recycling when the {name} is delivered?",
        "What does recycling cost with the {name}?",
      ],
      reworded: [
        "Where can I dispose of what I had before the {name}?",
        "What shall I do with the broken one once the {name} is here?",
      ],
    },
    {
      title: "Noise",
      passages: [
        "The {name} has a noise level of {percent} decibels at full power, measured at one metre. Felt pads for {amount} euros lower it on hard floors.",
        "At full power the noise level of the {name} is {percent} decibels at one metre. On hard floors felt pads help; they cost {amount} euros.",
      ],
      asked: ["What noise level in decibels does the {name} have?", "Do felt pads lower the noise of the {name}?"],
      reworded: ["Is the {name} very loud?", "Will the {name} wake the baby when it runs at night?"],
    },
  ],
}
