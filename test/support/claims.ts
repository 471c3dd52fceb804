/** For processes that meet in a directory, whichever of them owns it. */
import type { JoinOptions } from "colloquy";

/** How long a new owner keeps back what was in somebody's hands: also one that stands still comes back in time. */
export const claimMs = 4_000;

/** What to join with. */
export function withTimeToClaim(url: string): JoinOptions {
  if (!url.startsWith("embedded:")) return {};
  return { limits: { store: { reconnectGraceMs: claimMs } } };
}
