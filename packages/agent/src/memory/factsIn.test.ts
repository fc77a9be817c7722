import { expect, test } from "bun:test"
import { factsIn, kindOfFact } from "./factsIn.ts"

const KINDS: readonly (readonly [string, string])[] = [
  ["My name is Ana Silva.", "name"],
  ["Hi! I'm called Bo, nice to meet you.", "name"],
  ["我叫王芳。", "name"],
  ["我的名字是李雷", "name"],
  ["I live in Lyon, near the river.", "home"],
  ["I've moved to Nice", "home"],
  ["我现在住在上海。", "home"],
  ["I am allergic to penicillin and I need a new prescription.", "allergic penicillin"],
  ["I'm no longer allergic to Penicillin", "allergic penicillin"],
  ["我对花生过敏。", "allergic 花生"],
  ["My order number is A-1043.", "my order number"],
  ["我的订单号是 A-1043。", "my 订单号"],
  ["My card's been stolen: my account is 77-31.", "my account"],
  ["I work as a nurse.", "work"],
  ["我在医院工作。", "work"],
  ["I'm 34 years old.", "age"],
  ["我今年34岁", "age"],
  ["I really like green tea.", "like green tea"],
  ["I don't like green tea any more.", "like green tea"],
  ["我不喜欢香菜。", "like 香菜"],
  ["I am a vegetarian.", "am a vegetarian"],
  ["I have two children.", "have two children"],
  ["Please remember that the gate code is 4411.", "remember the gate code is 4411."],
  ["Remember: my name is Bo.", "name"],
  ["请记住我的车牌是京A12345", "my 车牌"],
]

test("factsIn: first-person statements have a kind, in English and Chinese", () => {
  expect(KINDS.map(([text]) => [text, factsIn(text)[0]?.kind ?? "none"])).toEqual(
    KINDS.map(([text, kind]) => [text, kind]),
  )
})

test("factsIn: questions, talk about the talk and what is said of others are no facts", () => {
  const texts = [
    "Is my name on the list?",
    "What is my order number?",
    "my question is simple",
    "I have a question.",
    "I'd like to know the price.",
    "Do you remember me?",
    "Remember me?",
    "Ana lives in Lyon.",
    "The order number is missing.",
    "我的订单号是什么",
    "你叫什么名字？",
    "The kettle leaks.",
  ]
  expect(texts.filter((text) => factsIn(text).length > 0)).toEqual([])
})

test("factsIn: keeps the sentence alone, however long the message", () => {
  const facts = factsIn("Good morning. Where is it? My order number is 12. 我住在北京。谢谢！")
  expect(facts).toEqual([
    { kind: "my order number", text: "My order number is 12." },
    { kind: "home", text: "我住在北京。" },
  ])
})

test("kindOfFact: what a model says in the third person has the kind of what the user said", () => {
  expect(kindOfFact("The user's name is Ana")).toBe("name")
  expect(kindOfFact("User lives in Paris")).toBe("home")
  expect(kindOfFact("The user is allergic to nuts.")).toBe("allergic nuts")
  expect(kindOfFact("用户对花生过敏")).toBe("allergic 花生")
  expect(kindOfFact("用户的订单号是 12")).toBe("my 订单号")
  expect(kindOfFact("Deliveries go to the back door")).toBe("remember deliveries go to the back door")
})
