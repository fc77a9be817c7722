/** Shows how far something is, on stderr. */
export interface ProgressBar {
  update(done: number, total: number): void
  /** Ends the line. */
  end(): void
}

const WIDTH = 30

/** A bar that is redrawn in a terminal; elsewhere a line at each tenth. */
export function progressBar(label: string): ProgressBar {
  const isTerminal = process.stderr.isTTY
  let lastTenth = -1
  let hasDrawn = false
  return {
    update(done, total) {
      const share = total > 0 ? Math.min(1, done / total) : 0
      const tenth = Math.floor(share * 10)
      if (isTerminal) {
        const filled = Math.round(share * WIDTH)
        process.stderr.write(
          `\r${label} [${"█".repeat(filled)}${" ".repeat(WIDTH - filled)}] ${(share * 100).toFixed(0).padStart(3)} %`,
        )
        hasDrawn = true
      } else if (tenth > lastTenth) {
        lastTenth = tenth
        process.stderr.write(`${label}: ${tenth * 10} %\n`)
      }
    },
    end() {
      if (hasDrawn) process.stderr.write("\n")
    },
  }
}

/** Bytes as people write them: `24.6 MiB`. */
export function readableBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"]
  let size = bytes
  let unit = 0
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024
    unit++
  }
  return `${unit === 0 ? size : size.toPrecision(3)} ${units[unit]}`
}
