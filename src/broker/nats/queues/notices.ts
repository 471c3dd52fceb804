/** What the holder of a message has to know as soon as it has it. */
import { notifyHolder, type QueueHub } from "./hub.ts";
import type { Item } from "./item.ts";
import type { Tracks } from "./tracks.ts";

export function brief(hub: QueueHub, tracks: Tracks, item: Item): void {
  const { claim, live, position, queue } = item;
  for (const [index, { answer }] of (live?.questions ?? []).entries()) {
    if (answer === undefined) continue;
    const data = Buffer.from(answer, "base64");
    notifyHolder(item, { kind: "input", claim, answer: { number: index + 1, data } });
  }
  if (tracks.follows(queue, position) || hub.queues.get(queue)?.followers.has(position) === true) {
    notifyHolder(item, { kind: "follow", claim });
    hub.changed(queue, position);
  }
}
