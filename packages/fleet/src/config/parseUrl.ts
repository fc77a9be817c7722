import type { TableReader } from "./TableReader.ts"

/** Reads where an endpoint of OpenAI's protocol is, without the last slash. @throws TableError */
export function parseUrl(table: TableReader): string {
  const text = table.neededText("url")
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isHttp = url !== undefined && ["http:", "https:"].includes(url.protocol)
  if (!isHttp || url.username !== "" || url.search !== "" || url.hash !== "")
    return table.fail("url", 'an address such as "https://api.example.com/v1", without name, query or fragment')
  return text.replace(/\/+$/, "")
}
