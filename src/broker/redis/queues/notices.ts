/** What scripts tell a session, see scripts/notices.ts. */
import type { Answer, Claim, Notice } from "../../broker.ts";
import { decodeError } from "./states.ts";

export type Head =
  /** A receiver that waits may find something: now, or in so many milliseconds. */
  | { readonly t: "wake"; readonly r: string }
  | { readonly t: "due"; readonly r: string; readonly ms: number }
  | { readonly t: "removed"; readonly q: string }
  /** What somebody here waits for. */
  | { readonly t: "live" | "end"; readonly q: string; readonly p: string }
  | { readonly t: "done"; readonly q: string; readonly p: readonly string[] }
  | { readonly t: "withdrawn"; readonly n: string }
  | HolderHead;

/** About a message in a receiver's hands. "gone": somebody else has settled it. */
export interface HolderHead {
  readonly t: "cancel" | "withdraw" | "follow" | "input" | "gone";
  readonly q: string;
  readonly p: string;
  readonly f: string;
  readonly r: string;
  readonly n?: number;
}

export function noticeOf(head: HolderHead, data: Buffer): Notice {
  const claim: Claim = { queue: head.q, position: Number(head.p), fence: Number(head.f) };
  switch (head.t) {
    case "cancel":
      return { kind: "cancel", claim, reason: decodeError(data) };
    case "input": {
      const answer: Answer = { number: head.n ?? 0, data };
      return { kind: "input", claim, answer };
    }
    default:
      return { kind: head.t === "withdraw" ? "withdraw" : "follow", claim };
  }
}
