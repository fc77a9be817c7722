export interface VoteResult {
  /** Place of the winning answer in the list. */
  readonly winner: number
  /** How many said the same. */
  readonly numVotes: number
}

/** Returns the answer that most gave, the first of them where several are ahead. Case, spaces and punctuation at the ends make no difference. */
export function pickByVote(answers: readonly string[]): VoteResult {
  const ballots = answers.map(ballotOf)
  const votesOf = (ballot: string): number => ballots.filter((other) => other === ballot).length
  let winner = 0
  for (let i = 1; i < ballots.length; i++) if (votesOf(ballots[i]!) > votesOf(ballots[winner]!)) winner = i
  return { winner, numVotes: votesOf(ballots[winner]!) }
}

function ballotOf(answer: string): string {
  return answer
    .normalize("NFKC")
    .toLowerCase()
    .replaceAll(/\s+/g, " ")
    .replaceAll(/^[\s"'“«*_(]+|[\s.,!?;:"'”»*_)。！？]+$/gu, "")
}
