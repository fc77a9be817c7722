/** Words that stand in any text and choose none. */
export const STOP_WORDS: ReadonlySet<string> = new Set(
  `a about am an and any are as at be been being but by can could did do does for from had has have he her hers him his how i if in into is it its me
  my of on or our ours she should so than that the their them then there these they this those to us was we were what when where which who whom whose
  why will with would you your yours s t d ll m re ve 什么 怎么 请问 我的 你们 我们 是什 的是 我想 吗 呢`.split(/\s+/),
)
