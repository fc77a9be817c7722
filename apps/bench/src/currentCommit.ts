/** Names the commit that is measured; `+` where files differ from it. */
export function currentCommit(root: string): string {
  const git = (...args: string[]): string =>
    Bun.spawnSync(["git", ...args], { cwd: root })
      .stdout.toString()
      .trim()
  const changes = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results", ":!README.md")
  return `${git("rev-parse", "--short", "HEAD")}${changes === "" ? "" : "+"}`
}
