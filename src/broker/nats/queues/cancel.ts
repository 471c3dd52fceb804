/** A sender gives its message up, or wants it back. */
import type { ErrorInfo } from "../../../errors.ts";
import { isColloquyError } from "../../../errors.ts";
import { throwIfAborted, withAbort } from "../../../runtime/abort.ts";
import { Deferred } from "../../../runtime/deferred.ts";
import type { CancelOptions, CancelOutcome } from "../../broker.ts";
import { notifyHolder, type QueueHub } from "./hub.ts";
import { type Item, nameOf } from "./item.ts";
import { endedErrors } from "./judge.ts";
import { loadItem } from "./load.ts";
import { isFinal, noAttempts, type RecordAt } from "./record.ts";

/** As long as a holder may take to decide: it is asked again after that. */
const withdrawalMs = 9_000;

export async function cancel(
  hub: QueueHub,
  queue: string,
  position: number,
  options: CancelOptions,
): Promise<CancelOutcome> {
  const { ifUnstarted = false, signal } = options;
  for (;;) {
    throwIfAborted(signal);
    const item =
      hub.queues.get(queue)?.find(position) ?? (await loadItem(hub, queue, position, signal));
    if (item === undefined) return endedAs(await hub.records.readOne(queue, position, signal));
    if (item.record !== undefined && isFinal(item.record.record)) return endedAs(item.record);
    if (ifUnstarted) {
      const outcome = await withdraw(hub, item, signal);
      if (outcome === "again") continue;
      if (outcome !== "unheld") return outcome;
    }
    try {
      await end(hub, item, ifUnstarted, options.reason);
      return ifUnstarted ? "rescinded" : "cancelled";
    } catch (error) {
      if (!isColloquyError(error, "CONFLICT")) throw error;
      const outcome = await afterConflict(hub, item);
      if (outcome !== undefined) return outcome;
    }
  }
}

/** Somebody else has decided meanwhile. @returns what it came to; undefined: try again. */
async function afterConflict(hub: QueueHub, item: Item): Promise<CancelOutcome | undefined> {
  const { queue, position } = item;
  const at = await hub.records.readOne(queue, position);
  if (at !== undefined && isFinal(at.record)) return endedAs(at);
  if (hub.queues.get(queue)?.find(position) === item && at?.record.state === "open") {
    item.record = at;
  }
  return undefined;
}

async function end(
  hub: QueueHub,
  item: Item,
  isWithdrawn: boolean,
  reason: ErrorInfo | undefined,
): Promise<void> {
  const { queue, position } = item;
  const state = isWithdrawn ? "rescinded" : "cancelled";
  const error = reason ?? endedErrors[state];
  const attempt = Math.max(0, item.live?.attempt ?? item.attempt);
  const record = { state, attempt, by: hub.clientId, error } as const;
  const at = await hub.endings.write(queue, position, record, item.expected);
  const local = hub.queues.get(queue);
  const inHand = local?.find(position);
  if (inHand !== undefined) {
    inHand.record = at;
    await tellHolder(hub, inHand, error);
    return;
  }
  const answers = await hub.askOthers(queue, { op: "cancelled", queue, position, reason: error });
  // Whoever has it removes it when it has settled it, so that its key waits until then.
  if (!answers.some(({ held }) => held === true)) {
    await hub.endings.remove(position, undefined);
    if (item.message.keyToken !== undefined) hub.tellKeyMoved(queue, nameOf(item));
  }
}

/** The message is final. @returns whether a receiver has it. */
export async function tellHolder(hub: QueueHub, item: Item, reason: ErrorInfo): Promise<boolean> {
  item.over = reason;
  item.answerWithdrawals("over");
  if (item.isHeld) {
    notifyHolder(item, { kind: "cancel", claim: item.claim, reason });
    return true;
  }
  await hub.queues.get(item.queue)?.discard(item);
  return false;
}

/** Asks whoever has the message; "unheld": nobody. */
async function withdraw(
  hub: QueueHub,
  item: Item,
  signal: AbortSignal | undefined,
): Promise<CancelOutcome | "again" | "unheld"> {
  const { queue, position } = item;
  const { failures, crashes } = item.live?.attempts ?? noAttempts;
  if (failures + crashes > 0 || (item.live?.questions?.length ?? 0) > 0) return "too-late";
  const held = hub.held(queue, position);
  if (held !== undefined) {
    const decision = await withAbort(askHolder(held), signal);
    return decision === "too-late" ? "too-late" : "again";
  }
  if (hub.queues.get(queue)?.find(position) === item) return "unheld";
  const question = { op: "withdraw", queue, position } as const;
  const answers = await hub.askOthers(queue, question, { timeoutMs: withdrawalMs, signal });
  const decided = answers.find(({ decision }) => decision !== undefined)?.decision;
  if (decided === undefined) {
    const holders = await hub.askOthers(queue, { op: "held", queue, positions: [position] });
    const isHeld = holders.some(({ positions }) => positions?.includes(position));
    return isHeld ? "again" : "unheld";
  }
  return decided === "too-late" ? "too-late" : "again";
}

/** What the holder in this client says: that may take as long as its handler needs. */
export function askHolder(item: Item): Promise<"too-late" | "returned" | "over"> {
  if (item.phase !== "offered" || item.receiver?.hearsNotices !== true) {
    return Promise.resolve("too-late");
  }
  const decided = new Deferred<"too-late" | "returned" | "over">();
  item.withdrawals.push(decided.resolve.bind(decided));
  notifyHolder(item, { kind: "withdraw", claim: item.claim });
  return decided.promise;
}

/** Asked again, the answer is the same. */
function endedAs(at: RecordAt | undefined): CancelOutcome {
  if (at === undefined) return "unknown";
  const { state } = at.record;
  return state === "cancelled" || state === "rescinded" ? state : "too-late";
}
