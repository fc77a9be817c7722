import type { Handbook } from "./Handbook.ts"

/** A hospital group's departments, at each of its places. */
export const CLINIC: Handbook = {
  folder: "clinic",
  first: [
    "Cardiology",
    "Dermatology",
    "Neurology",
    "Orthopaedics",
    "Paediatrics",
    "Radiology",
    "Urology",
    "Eye clinic",
    "Maternity",
    "Dentistry",
  ],
  second: ["Northgate", "Southbank", "Westfield", "Eastham", "Riverside", "Hilltop", "Lakeside", "Oldtown"],
  between: " ",
  topics: [
    {
      title: "Appointments",
      passages: [
        "Make an appointment with {name} online or by phone on {phone}, Monday to Friday from eight. The wait for a first appointment is about {days} weeks; bring a referral.",
        "{name} gives appointments online and on {phone}, from eight on weekdays. Expect to wait {days} weeks for a first one. A referral is needed.",
      ],
      asked: ["How do I make an appointment with {name}?", "Do I need a referral for {name}?"],
      reworded: ["How soon can a doctor at {name} see me?", "I'd like to book a check-up at {name}"],
    },
    {
      title: "Cancelling",
      passages: [
        "Please cancel an appointment at {name} at least {days} days before, online or on {phone}. Those who stay away without a word are charged {amount} euros.",
        "Appointments at {name} can be cancelled or moved until {days} days before, online or on {phone}. If you simply do not come, we charge {amount} euros.",
      ],
      asked: ["How can I cancel my appointment at {name}?", "What is charged if I do not come to {name}?"],
      reworded: [
        "I can't make it to {name} on Tuesday after all",
        "Something came up, can we find another date at {name}?",
      ],
    },
    {
      title: "Visiting hours",
      passages: [
        "Visiting hours at {name} are from two to {days} in the afternoon, two visitors at a time. Children under twelve are welcome at weekends.",
        "You may visit patients of {name} from two to {days} in the afternoon, at most two at a time; children under twelve at weekends only.",
      ],
      asked: ["When are visiting hours at {name}?", "How many visitors may come to {name} at a time?"],
      reworded: ["My father lies at {name}, when can we see him?", "Can I bring the kids along to grandma at {name}?"],
    },
    {
      title: "Emergencies",
      passages: [
        "In an emergency call the ambulance at once, do not come to {name} by yourself. Outside opening hours the emergency department is on floor {days}, open day and night.",
        "{name} is no emergency department: call the ambulance. Day and night the emergency department on floor {days} is open.",
      ],
      asked: ["Where is the emergency department for {name}?", "What do I do in an emergency when {name} is closed?"],
      reworded: [
        "It hurts terribly and it is midnight, can I go to {name}?",
        "Who helps me right now if {name} has gone home?",
      ],
    },
    {
      title: "Parking",
      passages: [
        "The car park of {name} costs {percent} euros an hour; the first {days} minutes are free. Places for disabled visitors are beside the entrance.",
        "Parking at {name}: the first {days} minutes are free, then {percent} euros an hour. Disabled visitors find places beside the entrance.",
      ],
      asked: ["What does the car park of {name} cost?", "Are there places for disabled visitors at {name}?"],
      reworded: [
        "Where can I leave my vehicle when I come to {name}?",
        "We're driving to {name}, is there somewhere to put the van?",
      ],
    },
    {
      title: "What to bring",
      passages: [
        "Bring your insurance card, the referral, a list of your medicines and earlier findings to {name}. Please come {days} minutes before your appointment to register.",
        "For your visit {name} needs the insurance card, the referral, a list of medicines and earlier findings. Registration takes {days} minutes: come that much earlier.",
      ],
      asked: ["What must I bring to {name}?", "How many minutes before the appointment should I come to {name}?"],
      reworded: [
        "Which papers do you want to see at the desk of {name}?",
        "It's my first time at {name}, how do I prepare?",
      ],
    },
    {
      title: "Before an operation",
      passages: [
        "Eat nothing for {days} hours before an operation at {name}; clear water is allowed until two hours before. Blood thinners are stopped only after talking to us on {phone}.",
        "Before an operation at {name} you must not eat for {days} hours, and drink only clear water until two hours before. Ask us on {phone} about blood thinners.",
      ],
      asked: [
        "For how many hours must I not eat before an operation at {name}?",
        "What about blood thinners before an operation at {name}?",
      ],
      reworded: [
        "Can I have breakfast on the day of my surgery at {name}?",
        "Do I have to fast for the procedure at {name}?",
      ],
    },
    {
      title: "Findings",
      passages: [
        "Findings of {name} are in the patient portal after {days} working days; you get a message. Serious ones are told by a doctor in person, never by e-mail.",
        "After {days} working days you find the findings of {name} in the patient portal, and a message tells you. What is serious a doctor explains in person.",
      ],
      asked: ["When are findings of {name} in the patient portal?", "Are serious findings of {name} sent by e-mail?"],
      reworded: [
        "They took my blood at {name}, when will I know more?",
        "How do I get the results of my scan at {name}?",
      ],
    },
    {
      title: "Interpreters",
      passages: [
        "{name} provides interpreters for {limit} languages free of charge. Tell us the language when you make the appointment, at least {days} days before.",
        "An interpreter is free at {name}, for {limit} languages; name yours at least {days} days before the appointment.",
      ],
      asked: ["Does {name} provide interpreters?", "How many days before must I ask for an interpreter at {name}?"],
      reworded: [
        "My mother only speaks Turkish, will they understand her at {name}?",
        "Is there somebody who can translate for me at {name}?",
      ],
    },
    {
      title: "Costs",
      passages: [
        "Patients without insurance pay {amount} euros for a consultation at {name}, by card, before it begins. We write an estimate for treatment, and accept payment in parts.",
        "A consultation at {name} costs {amount} euros for those who have no insurance, to be paid by card beforehand. For treatment you get an estimate; it can be paid in parts.",
      ],
      asked: [
        "What does a consultation at {name} cost without insurance?",
        "Can treatment at {name} be paid in parts?",
      ],
      reworded: [
        "I have to pay everything by myself, how expensive is {name}?",
        "I'm a tourist and not covered here, what will {name} charge me?",
      ],
    },
    {
      title: "Accompanying a child",
      passages: [
        "One parent may stay with a child at {name} overnight; a folding bed and meals cost {amount} euros a day, nothing for children under {days}.",
        "At {name} a parent can stay overnight with a child. Bed and meals are {amount} euros a day, and free if the child is younger than {days}.",
      ],
      asked: [
        "Can a parent stay overnight with a child at {name}?",
        "What do bed and meals for a parent cost at {name}?",
      ],
      reworded: [
        "My son is scared, may I sleep next to him at {name}?",
        "I don't want to leave my little girl alone in {name}",
      ],
    },
    {
      title: "Medical records",
      passages: [
        "You may ask {name} for a copy of your medical records in writing, with a copy of your passport. The first is free, further ones cost {amount} euros; it takes {days} days.",
        "{name} sends you a copy of your medical records within {days} days of a written request with a copy of your passport. The first is free, each other costs {amount} euros.",
      ],
      asked: [
        "How do I ask {name} for a copy of my medical records?",
        "What does a copy of medical records of {name} cost?",
      ],
      reworded: [
        "My new doctor wants everything you have on file about me at {name}",
        "I need the documents of my stay at {name} for a lawyer",
      ],
    },
  ],
}
