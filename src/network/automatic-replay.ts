/**
 * Dead letters that are put back by themselves, a few times: for what fails as long as something
 * outside is down. How often is counted in the store by message, so that processes share the count,
 * and the one that raises it does the work.
 */

import { storeOf } from "../broker/guarded.ts";
import { type Switch, switched } from "../delivery/policy.ts";
import { packValue, unpackValue } from "../exchange/packed.ts";
import type { Site } from "../exchange/site.ts";
import { aboveZero, switchOf, wholeNumber } from "../message/checks.ts";
import { sleep } from "../runtime/sleep.ts";
import type { DeadLetter, DeadLetters } from "./dead-letters.ts";

export interface AutomaticReplayOptions {
  /** Milliseconds from the last failure until it is put back. Default: 600,000. */
  readonly afterMs: number;
  /** Times that one message is put back, 1 or more. Default: 3. */
  readonly timesMax: number;
}

const defaultReplay: AutomaticReplayOptions = { afterMs: 600_000, timesMax: 3 };

/** How long a count is remembered after it was raised: a week. */
const rememberedMs = 7 * 24 * 3_600_000;

const checkReplay = switchOf<AutomaticReplayOptions>({
  afterMs: aboveZero,
  timesMax: wholeNumber(1, 1_000),
});

/** @throws INVALID_OPTION naming the option, its value and what it may be. */
export function automaticReplay(
  given: Switch<AutomaticReplayOptions> | undefined,
): AutomaticReplayOptions | undefined {
  if (given !== undefined) checkReplay("replayDead", given);
  return switched(given, defaultReplay);
}

/** Until `signal` aborts. Letters come in order of their deaths: while one is not due, none behind it is. */
export async function replayAutomatically(
  site: Site,
  dead: DeadLetters,
  { afterMs, timesMax }: AutomaticReplayOptions,
  signal: AbortSignal,
): Promise<void> {
  for await (const letter of dead.watch({ signal })) {
    const waitMs = letter.lastFailureMs + afterMs - site.clock.nowMs();
    try {
      if (waitMs > 0) await sleep(site.clock, waitMs, signal);
      if (await count(site, letter, timesMax)) await dead.replay(letter.id);
    } catch (error) {
      if (signal.aborted) return;
      site.onError(error, `dead letter ${letter.id} of ${letter.address}`);
    }
  }
}

/** @returns false when it was put back often enough, or somebody else does it. */
async function count(site: Site, letter: DeadLetter, timesMax: number): Promise<boolean> {
  const { id: messageId } = letter.message ?? {};
  if (messageId === undefined) return false;
  const store = storeOf(site.broker);
  const key = site.space.replaysKey(letter.address, messageId);
  const [entry] = await store.get([key]);
  const times = entry === undefined ? 0 : Number(unpackValue(entry.value));
  if (times >= timesMax) return false;
  const ifRevision = entry?.revision ?? 0;
  const value = packValue(times + 1);
  const outcome = await store.put([{ key, value, ifRevision, ttlMs: rememberedMs }]);
  return outcome.kind === "stored";
}
