/** Messages expire when their turn comes; one that somebody waits for does so at its time. */
import { isColloquyError } from "../../../errors.ts";
import type { QueueHub } from "./hub.ts";
import { endedErrors } from "./judge.ts";
import { loadItem } from "./load.ts";
import { isFinal } from "./record.ts";

const againMs = 1_000;

/**
 * @param expiresAtMs - 0: never.
 * @returns ends it; undefined: there is nothing to end.
 */
export function expireInTime(
  hub: QueueHub,
  queue: string,
  position: number,
  expiresAtMs: number,
): (() => void) | undefined {
  if (expiresAtMs === 0) return undefined;
  const { link } = hub;
  const run = () => {
    timer = link.clock.setTimer(againMs, run);
    if (link.serverNowMs() >= expiresAtMs) void expire(hub, queue, position).catch(() => {});
  };
  let timer = link.clock.setTimer(Math.max(0, expiresAtMs - link.serverNowMs()), run);
  return () => timer.cancel();
}

async function expire(hub: QueueHub, queue: string, position: number): Promise<void> {
  if (hub.queues.get(queue)?.find(position) !== undefined) return;
  const item = await loadItem(hub, queue, position);
  if (item === undefined || (item.record !== undefined && isFinal(item.record.record))) return;
  const held = await hub.askOthers(queue, { op: "held", queue, positions: [position] });
  if (held.some(({ positions }) => positions?.includes(position))) return;
  const attempt = Math.max(0, item.live?.attempt ?? 0);
  const error = endedErrors.expired;
  const record = { state: "expired", attempt, by: hub.clientId, error } as const;
  try {
    await hub.endings.write(queue, position, record, item.expected);
    await hub.endings.remove(position, undefined);
  } catch (error) {
    if (!isColloquyError(error, "CONFLICT")) throw error;
  }
}
