/** Where the desk meets: a directory of its own, or a space of its own on a server that others use too. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";

export interface Place {
  /** What every process joins. */
  readonly url: string;
  readonly space: string;
  /** Whether one of the desk's own processes owns the store: the first that joins. */
  readonly isOwned: boolean;
}

/** @param directory - of this run. @param broker - the URL of a server, if there is one. */
export function placeOf(directory: string, broker: string | undefined): Place {
  if (broker === undefined) {
    return {
      url: `embedded:${join(directory, ".colloquy")}`,
      space: "default",
      isOwned: true,
    };
  }
  const space = `desk-${randomBytes(4).toString("hex")}`;
  return { url: withLease(broker), space, isOwned: false };
}

/** A server that is not of our making hears of a death when a lease ends: here that is to be seen soon. */
const lease = "leaseMs=3000";

function withLease(url: string): string {
  if (!/^(nats|redis)/.test(url) || url.includes("leaseMs=")) return url;
  return `${url}${url.includes("?") ? "&" : "?"}${lease}`;
}
