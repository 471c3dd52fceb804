/** What the processes of this bench are asked, and what they answer. */
import type { Latency } from "../harness/subject.ts";

export type PublisherOrder =
  | { readonly kind: "publish"; readonly forMs: number; readonly perSecond: number }
  | { readonly kind: "fill"; readonly bytes: number };

export interface Tick {
  /** `process.hrtime`, which all processes of a machine share. */
  readonly sentAtMicroseconds: number;
  readonly order: unknown;
}

/** What a quick subscriber has heard since it was asked last. */
export interface Heard extends Latency {
  readonly count: number;
  /** Its hub dropped so many of its messages: none, or it was not quick. */
  readonly dropped: number;
}

/** `finish`: reads all that waits as fast as it can, says how they fared, and disconnects them. */
export type SlowOrder =
  | { readonly kind: "connect"; readonly count: number }
  | { readonly kind: "finish"; readonly published: number };

/** How one slow subscriber fared. */
export interface SlowOne {
  readonly heard: number;
  /** As it was told. */
  readonly dropped: number;
}
