/** Emptying a queue in which much waits: nothing is asked for that has to go back. */
import { setTimeout as pause } from "node:timers/promises";
import { test as anyTest, expect, onTestFinished } from "vitest";
import { NatsLink } from "../../../src/broker/nats/connection.ts";
import { openNatsBroker } from "../../../src/broker/nats/index.ts";
import { natsSettings } from "../../../src/broker/nats/options.ts";
import { QueueSubjects } from "../../../src/broker/nats/queues/subjects.ts";
import { missingServer } from "../../support/brokers.ts";
import { NatsServer } from "../../support/servers/nats.ts";

const test = anyTest.skipIf(missingServer("nats"));

test("what a receiver has no room for is not taken, and each message costs one record", async () => {
  const server = await NatsServer.start();
  onTestFinished(() => server.remove());
  const count = 1_500;
  const broker = await openNatsBroker({ servers: server.url });
  onTestFinished(() => broker.close());
  await broker.queues.declare(["jobs"]);
  const messages = Array.from({ length: count }, (_, index) => ({
    frame: Uint8Array.of(index % 256),
    lane: 2 as const,
    guarantee: "at-least-once" as const,
    id: `job ${index}`,
  }));
  await broker.queues.enqueue("jobs", messages);

  const ends = new AbortController();
  onTestFinished(() => ends.abort());
  let settled = 0;
  const settling: Promise<void>[] = [];
  const receiving = { credit: 200, consumer: "quick" };
  // After so long what was taken beyond its room has gone back.
  const begun = pause(500);
  for await (const batch of broker.queues.receive("jobs", receiving, ends.signal)) {
    // One by one, so that each makes room by itself.
    for (const delivery of batch) {
      const settle = async () => {
        await begun;
        const outcome = { kind: "done" } as const;
        const [{ kind }] = (await broker.queues.settle([{ ...delivery, outcome }])) as [
          { kind: string },
        ];
        if (kind === "settled" && ++settled === count) ends.abort();
      };
      settling.push(settle());
    }
  }
  await Promise.all(settling);
  expect(settled).toBe(count);

  const link = await NatsLink.open(natsSettings({ servers: server.url }));
  onTestFinished(() => link.close());
  const subjects = new QueueSubjects(link.names);
  const name = `CONSUMER.INFO.${subjects.workStream}.${subjects.consumer("jobs", 2)}`;
  const { delivered } = await link.api<{ delivered: { consumer_seq: number } }>(name);
  // One goes back, with a record, each time that the machine stands still.
  expect(delivered.consumer_seq).toBeLessThan(count + 10);
  // The marks of what may have been offered are a few more.
  const { last_seq, first_seq } = link.facts.streams.state.state;
  expect(last_seq - first_seq + 1).toBeLessThan(count + 30);
});
