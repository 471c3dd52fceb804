/** What scripts tell a session, see scripts/notices.ts. */
import type { Answer, Claim, Notice } from "../../broker.ts";
import { decodeError } from "./states.ts";

export type Head =
  /** A receiver that waits may find something: now, or in so many milliseconds. */
  | { readonly t: "wake"; readonly r: string }
  | OfferHead
  | { readonly t: "due"; readonly r: string; readonly ms: number }
  | { readonly t: "removed"; readonly q: string }
  /** What somebody here waits for. */
  | { readonly t: "live" | "end"; readonly q: string; readonly p: string }
  | { readonly t: "done"; readonly q: string; readonly p: readonly string[] }
  | { readonly t: "withdrawn"; readonly n: string }
  | HolderHead;

/** Messages that a receiver has not asked for; their frames follow, one after the other. */
export interface OfferHead {
  readonly t: "offer";
  readonly r: string;
  readonly g: string;
  /** 1 where the server does not know any more that it has room. */
  readonly more: number;
  readonly due: number;
  /** Fence of the first. */
  readonly f: string;
  readonly p: readonly string[];
  /** Bytes of each frame. */
  readonly b: readonly number[];
  /** By position, where there were any. An empty one comes as an array or an object. */
  readonly a: Readonly<
    Record<string, readonly [failures: number, pickups: number, crashes: number]>
  >;
}

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
