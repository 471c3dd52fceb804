/** Which release of the package this is. */
import { readFileSync } from "node:fs";

/** From package.json, two folders up from the sources as from what is built of them. */
export function packageVersion(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { readonly version: string }).version;
}
