/** Where in a JSON object a stream stands. */
export interface ArgumentsState {
  depth: number
  isInString: boolean
  isEscaped: boolean
}

/** How far a piece belongs to the object: `isDone` when the object ends there, or `close` cuts it short. */
export interface ScannedArguments {
  /** Of the piece up to `end`, what counts: all but white space between the parts. */
  readonly text: string
  readonly end: number
  readonly isDone: boolean
}

/**
 * Follows a JSON object through a piece of text, changing `state`.
 *
 * What stands in a string is never taken for an end. Outside of strings the beginning of `close` is left for the next piece.
 */
export function scanArguments(state: ArgumentsState, piece: string, close: string): ScannedArguments {
  let text = ""
  for (let i = 0; i < piece.length; i++) {
    const char = piece[i]!
    if (state.isInString) {
      if (state.isEscaped) state.isEscaped = false
      else if (char === "\\") state.isEscaped = true
      else if (char === '"') state.isInString = false
    } else if (char === '"') state.isInString = true
    else if (char === "{" || char === "[") state.depth++
    else if (char === "}" || char === "]") {
      if (--state.depth === 0) return { text: text + char, end: i + 1, isDone: true }
    } else if (char === close[0]) {
      if (piece.startsWith(close, i)) return { text, end: i, isDone: true }
      if (close.startsWith(piece.slice(i))) return { text, end: i, isDone: false }
    } else if (WHITE_SPACE.includes(char)) continue
    text += char
  }
  return { text, end: piece.length, isDone: false }
}

/** As JSON knows it. */
const WHITE_SPACE = " \t\n\r"
