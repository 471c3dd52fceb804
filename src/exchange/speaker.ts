import type { Sender } from "../message/envelope.ts";
import type { Work } from "./work.ts";

/** Who speaks, and in whose handling. */
export interface Speaker {
  readonly from: Sender;
  readonly cause: Work | undefined;
}
