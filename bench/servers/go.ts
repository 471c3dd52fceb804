import { homedir } from "node:os";
import { join } from "node:path";

/** Where `go install` leaves programs. */
export function goBinaryDirectories(): readonly string[] {
  const { GOBIN, GOPATH } = process.env;
  return [GOBIN, join(GOPATH ?? join(homedir(), "go"), "bin")].filter((path) => path !== undefined);
}
