/** Deliveries that a receiver has been handling since before it lost its broker: it goes on with them. */
import type { Claim } from "../../broker.ts";
import type { QueueHub } from "./hub.ts";
import { attemptOf } from "./item.ts";
import { endedErrors } from "./judge.ts";
import { loadItem } from "./load.ts";
import type { QueueReceiver } from "./receiver.ts";

export async function takeClaims(
  hub: QueueHub,
  queue: string,
  receiver: QueueReceiver,
  claims: readonly Claim[],
): Promise<void> {
  await Promise.all(
    claims.map(async (claim) => {
      const isTaken = await take(hub, queue, receiver, claim).catch(() => false);
      receiver.claimAnswered();
      hub.queues.get(queue)?.pump();
      if (!isTaken) receiver.notify({ kind: "cancel", claim, reason: endedErrors.stale });
    }),
  );
}

/** @returns false where the message is final, or somebody else's. */
async function take(
  hub: QueueHub,
  queue: string,
  receiver: QueueReceiver,
  { position, fence }: Claim,
): Promise<boolean> {
  const local = hub.queues.get(queue);
  if (local === undefined) return false;
  const held = local.held(position);
  if (held !== undefined) {
    if (held.fence !== fence || held.over !== undefined) return false;
    local.adopt(receiver, held);
    return true;
  }
  const item = await loadItem(hub, queue, position);
  if (item === undefined) return false;
  const attempt = attemptOf(position, fence);
  const record = item.record?.record;
  const isPresent =
    record === undefined ? attempt === 0 : record.state === "open" && record.attempt === attempt;
  if (!isPresent || local.find(position) !== undefined) return false;
  item.attempt = attempt;
  local.adopt(receiver, item);
  return true;
}
