import { splitSentences } from "../words/splitSentences.ts"

/** What a user says of themselves. */
export interface Fact {
  /** A later fact of the same kind replaces an earlier one: `name`, `my order number`, `allergic peanuts`. */
  readonly kind: string
  /** The sentence, as the user wrote it. */
  readonly text: string
}

/** A form of such sentences. The kind has what `object` caught behind it: there may be several of them. */
interface FactForm {
  readonly kind: string
  readonly form: RegExp
}

/** Up to where the object of a statement goes. */
const OBJECT = String.raw`(?<object>[^,;.!?，；。！？]{1,60}?)(?:\s+(?:and|but|so|because|any ?more|too|as well)\b.*)?\s*(?:[,;.!?].*)?$`
const I_AM = String.raw`\bI(?:'|’)?(?: a)?m(?: really| very| no longer| not)?`
const LIKING =
  "(?:really |also |do not |don't |don’t |no longer |can't |can’t |cannot )?(?:like|love|hate|prefer|enjoy|dislike|stand|eat|drink)"

/** In their order: the first that fits says the kind. */
const FORMS: readonly FactForm[] = [
  {
    kind: "remember",
    form: /^(?:please |and |so |also )*(?:remember|keep in mind|note|don't forget|do not forget)(?: that|:|,)? (?<object>(?!me\b|when\b|to (?:ask|say)\b).{3,})/i,
  },
  {
    kind: "remember",
    form: /^(?:请|麻烦)?(?:你|您)?(?:帮我)?(?:记住|记得|记一下|别忘了|注意)[：:，,]?\s*(?<object>[^吗？?]{2,})$/,
  },
  {
    kind: "name",
    form: /\b(?:my (?:full |first |last )?name(?: is|'s|’s)|I(?:'m| am) called|(?:please |you can )call me) \S/i,
  },
  { kind: "name", form: /我(?:的(?:名字|姓名)(?:是|叫)|叫(?!你|他|她|了|车|醒)|姓)\S/ },
  {
    kind: "home",
    form: /\bI (?:now |currently |still )?live (?:in|at|near|on)\b|\bI(?:'ve| have)? (?:just )?moved to\b|\bI(?:'m| am) (?:now |currently )?(?:living|based) (?:in|at|near)\b/i,
  },
  { kind: "home", form: /我(?:现在|目前|一直)?(?:住在|搬到|住(?=\S{2,}(?:市|区|县|路|镇)))/ },
  { kind: "origin", form: /\bI(?:'m| am| come) (?:originally )?from\b|我(?:是从|来自)/i },
  { kind: "allergic", form: new RegExp(`${I_AM} (?:\\w+ )?allergic to (?:the )?${OBJECT}`, "i") },
  { kind: "allergic", form: /我(?:已经|现在)?(?:不再|不)?对(?<object>.{1,20}?)(?:都|也|不再|严重|已经)*(?:不)?过敏/ },
  {
    kind: "age",
    form: /\bI(?:'m| am) \d{1,3}(?: years old)?\b(?! ?(?:%|percent|minutes|hours|days|km))|我(?:今年)?\d{1,3}岁/i,
  },
  {
    kind: "work",
    form: /\bI (?:now |currently )?work (?:as|at|for|in)\b|我(?:现在)?在.{1,20}(?:工作|上班)|我(?:的职业)?是(?:一名|一个|一位)/i,
  },
  {
    kind: "speak",
    form: /\bI (?:only |also )?speak\b|我(?:只)?会?(?:讲|说)(?:中文|英文|英语|汉语|普通话|粤语|\S{1,3}语)/i,
  },
  {
    kind: "like",
    form: new RegExp(
      `\\bI (?:'d rather )?${LIKING} (?!to (?:know|ask|see|have|return|order|cancel|get)\\b)${OBJECT}`,
      "i",
    ),
  },
  {
    kind: "like",
    form: /我(?:更|最|很|非常)?(?:不)?(?:喜欢|讨厌|爱吃|爱喝|吃|喝|偏好|习惯)(?<object>[^了吗过，。！？,!?]{1,20})(?=[，。！,!]|$)/,
  },
  {
    kind: "am",
    form: new RegExp(
      `${I_AM} (?<object>(?:an? (?:vegetarian|vegan|student|nurse|doctor|teacher|member|customer|diabetic|pensioner|\\w+er|\\w+or|\\w+ist|\\w+ian))|vegetarian|vegan|diabetic|pregnant|deaf|blind|retired|married|divorced|single|left-handed)\\b`,
      "i",
    ),
  },
  {
    kind: "have",
    form: /\bI have (?<object>(?:an?|two|three|four|five|\d+) (?!(?:\w+ )?(?:question|problem|issue|idea|request|doubt|feeling|few|lot|look)\b)[^,;.!?]{2,40})/i,
  },
  {
    kind: "my",
    form: /\bmy (?<object>[\w'-]+(?: [\w'-]+){0,3}?)(?:'s|’s)? (?:is|are|was|has been|will be)(?:n't)? (?!not? (?:sure|clear)\b)\S/i,
  },
  { kind: "my", form: /我的(?<object>[^是为：:，。！？\s]{1,10})(?:是|为|：|:)\s*[^什哪谁多几吗\s]/ },
]

/** Is about the talk itself, and nothing to remember. */
const TRANSIENT =
  /^(?:(?:next|first|second|last|other|only|main) )?(?:question|problem|issue|point|guess|concern|understanding|apolog(?:y|ies)|bad|request|answer|doubt|fault|idea|feeling)s?$|^(?:问题|意思|疑问|想法)$/i
const IS_QUESTION =
  /[?？]\s*$|[吗呢么]\s*[。！]?$|^(?:what|who|where|when|why|how|is|are|do|does|did|can|could|should|will|would)\b/i
const MOST_LETTERS = 300

/** Returns what a user's words say of the user, in English or Chinese, sentence by sentence. Questions say nothing. */
export function factsIn(text: string): Fact[] {
  return splitSentences(text).flatMap((sentence) => {
    const kind = kindOf(sentence)
    return kind === undefined ? [] : [{ kind, text: sentence.slice(0, MOST_LETTERS) }]
  })
}

/**
 * Returns the kind of a fact that somebody states about the user; itself, where it is of no known kind.
 *
 * Models state them in the third person: "The user's name is Ana."
 */
export function kindOfFact(fact: string): string {
  const said = fact
    .replace(/^(?:the )?user(?:'|’)s /i, "my ")
    .replace(/^(?:the )?user (?=is |has |was )/i, "I ")
    .replace(/^I is /, "I am ")
    .replace(/^I has /, "I have ")
    .replace(/^(?:the )?user (\w+?)s /i, "I $1 ")
    .replace(/^用户的/, "我的")
    .replace(/^用户/, "我")
  return kindOf(said) ?? `remember ${fact.toLowerCase()}`
}

/** Whether a sentence asks. */
export function isQuestion(sentence: string): boolean {
  return IS_QUESTION.test(sentence)
}

function kindOf(sentence: string): string | undefined {
  if (IS_QUESTION.test(sentence)) return undefined
  for (const { kind, form } of FORMS) {
    const caught = form.exec(sentence)
    if (caught === null) continue
    const object = caught.groups?.["object"]?.trim()
    if (object === undefined) return kind
    if (TRANSIENT.test(object)) continue
    // What is to be remembered may be a fact of a kind by itself.
    if (kind === "remember") return kindOf(object) ?? `remember ${object.toLowerCase()}`
    return `${kind} ${object.toLowerCase()}`
  }
  return undefined
}
