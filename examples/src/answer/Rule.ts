/** What a case answers by itself, whatever a model would say. */
export interface Rule {
  readonly name: string
  /** Looked for in the question, in any case. */
  readonly pattern: RegExp
  readonly answer: string
}

/** Returns the first rule that a question meets. */
export function findRule(rules: readonly Rule[], question: string): Rule | undefined {
  return rules.find(({ pattern }) => pattern.test(question))
}

/** Returns a pattern of words and phrases; each is found at the beginning of a word, whatever ends it. */
export function anyOf(...phrases: readonly string[]): RegExp {
  return new RegExp(`(?<![\\p{L}\\p{N}])(?:${phrases.map((phrase) => phrase).join("|")})`, "iu")
}

/** Who must be helped by a person, in any business: whoever asks for one, was hurt or robbed, goes to court, or cannot pay. */
export function handOver(answer: string): Rule {
  return {
    name: "a person takes over",
    pattern: anyOf(
      "(?:speak|talk|chat) (?:to|with) (?:a|an|the|your|some|any)",
      "(?:real|living) (?:person|human)",
      "human being",
      "complain",
      "lawyer",
      "attorney",
      "court",
      "sue (?:you|them)",
      "police",
      "on record",
      "hurt",
      "injur",
      "accident",
      "(?:drove|ran) over",
      "(?:stole|stolen|emptied|hacked|robbed) (?:my|our|the) (?:account|money|savings)",
      "(?:emptied|hacked|robbed)",
      "cannot pay",
      "can't pay",
      "lost my job",
      "unemployed",
      "bankrupt",
      "wrong (?:medicine|medication|drug)",
    ),
    answer,
  }
}
