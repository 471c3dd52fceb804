import { keepInFlight } from "../../harness/loops.ts";
import { assertPayload, payload } from "../../harness/payload.ts";
import type { Subject } from "../../harness/subject.ts";
import { openFabric } from "../directory-of-processes.ts";
import { Growing } from "../growing.ts";

const inFlight = 256;
/** A session may have only so many subscriptions open. */
const perProcess = 50_000;

/** Subscribers tell the publisher by a publication of their own: two publications an operation. */
export async function open(): Promise<Subject> {
  const fabric = await openFabric();
  const publisher = await fabric.net.agent("publisher");
  const waiting = new Map<number, () => void>();
  await publisher.subscribe("heard", (data) => {
    const { id, order } = data as { readonly id: number; readonly order: unknown };
    assertPayload(order);
    waiting.get(id)?.();
    waiting.delete(id);
  });
  const module = new URL("../subscriber.ts", import.meta.url);
  let there = 0;
  const subscribers = [await fabric.start(module), await fabric.start(module)];
  const subscriptions = new Growing(async (count) => {
    for (let added = 0; added < count; ) {
      const number = Math.floor(there / perProcess);
      const upTo = Math.min(there + count - added, (number + 1) * perProcess);
      await subscribers[number]?.ask({ from: there, to: upTo });
      added += upTo - there;
      there = upTo;
    }
  });
  let published = 0;
  return {
    measure: async (level, durationMs) => {
      const setUpMicroseconds = await subscriptions.to(level);
      const sample = await keepInFlight(
        inFlight,
        durationMs,
        () =>
          new Promise<void>((resolve) => {
            const id = published++;
            waiting.set(id, resolve);
            const topic = `orders.${Math.floor(Math.random() * level)}`;
            void publisher.publish(topic, { id, order: payload });
          }),
      );
      const memoryMiB = await fabric.memoryMiB();
      return { ...sample, memoryMiB, setUpMicroseconds };
    },
    close: fabric.close,
  };
}
