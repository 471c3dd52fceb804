/**
 * What holders in this client ought to have been told, and have not heard: answers to their questions, and
 * that their messages are final. Their own connection was broken, or whoever answered went away before it
 * had told them. All of it is in the records.
 */
import { takeAnswer } from "./answer.ts";
import { tellHolder } from "./cancel.ts";
import type { QueueHub } from "./hub.ts";
import type { Item } from "./item.ts";
import { endedErrors } from "./judge.ts";
import { isFinal, type RecordAt } from "./record.ts";

/** In a cluster each costs a question to a leader. */
const readsMax = 256;

/** Of what is in hand for long. Most is settled before it is looked at. */
export function wasExtendedBefore({ extensions }: Item): boolean {
  return extensions > 1;
}

/**
 * Called when there is a connection again, and with each extension of leases.
 *
 * @throws what the server says; the next call looks again.
 */
export async function catchUp(hub: QueueHub, concerns: (item: Item) => boolean): Promise<void> {
  for (const [queue, { items }] of hub.queues) {
    const held = [...items].filter((item) => item.isHeld && concerns(item));
    for (let begin = 0; begin < held.length; begin += readsMax) {
      const some = held.slice(begin, begin + readsMax);
      const positions = some.map(({ position }) => position);
      const records = await hub.records.read(queue, positions);
      for (const [index, item] of some.entries()) {
        const at = records[index];
        if (at !== undefined && at.seq > item.expected) await tell(hub, item, at);
      }
    }
  }
}

async function tell(hub: QueueHub, item: Item, at: RecordAt): Promise<void> {
  const { record } = at;
  if (item.stage !== "held" || item.over !== undefined) return;
  if (isFinal(record)) {
    if (record.by !== hub.clientId) await tellHolder(hub, item, record.error ?? endedErrors.stale);
    return;
  }
  if (record.state !== "open" || record.attempt !== item.attempt) return;
  const before = item.live?.questions ?? [];
  item.record = at;
  for (const [index, { answer }] of (record.questions ?? []).entries()) {
    if (answer === undefined || before[index]?.answer !== undefined) continue;
    takeAnswer(hub, item, { number: index + 1, data: Buffer.from(answer, "base64") });
  }
}
