/** The client of a hub, when links break, hubs go away, and nobody answers. On a virtual clock. */
import { expect, test } from "vitest";
import type {
  Broker,
  BrokerStatus,
  EnqueueOutcome,
  QueuedMessage,
  StoreChange,
} from "../../../src/broker/broker.ts";
import { openEngine } from "../../../src/broker/engine/engine.ts";
import { MemoryStorage } from "../../../src/broker/engine/memory-storage.ts";
import { writeGoodbye, writeWelcome } from "../../../src/broker/hub/operations/greeting.ts";
import { type HubBroker, openHubBroker } from "../../../src/broker/hub.ts";
import { openMemoryBroker } from "../../../src/broker/memory.ts";
import { Hub } from "../../../src/hub/hub.ts";
import type { Link } from "../../../src/link/link.ts";
import { frameTypes } from "../../../src/message/frame.ts";
import { FrameWriter } from "../../../src/message/frame-writer.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { sleep } from "../../../src/runtime/sleep.ts";
import { MemoryNetwork } from "../../../src/testing/memory-network.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { changesOf } from "../../support/status-changes.ts";

const never = new AbortController().signal;
const message: QueuedMessage = {
  frame: Uint8Array.of(1, 2, 3),
  lane: 2,
  guarantee: "at-least-once",
  id: "",
};

class World {
  readonly clock = new VirtualClock();
  readonly random = new SeededRandom(11);
  readonly network = new MemoryNetwork({ clock: this.clock, random: this.random });
  readonly broker = openMemoryBroker({ clock: this.clock });
  readonly hub = new Hub({ broker: this.broker, clock: this.clock, id: "hub" });

  async open(): Promise<this> {
    await this.network.listen("hub", (link) => this.hub.accept(link));
    await this.broker.queues.declare(["jobs"]);
    return this;
  }

  client(name = "client", address = "hub"): Promise<HubBroker> {
    const { clock, random } = this;
    const connect = this.network.connect(address, name);
    return openHubBroker({
      connect,
      clock,
      random,
      name,
      limits: { unacknowledgedMessagesMax: 4 },
    });
  }
}

function inWorld(body: (world: World) => Promise<void>): () => Promise<void> {
  return async () => {
    const world = new World();
    await world.clock.until(world.open().then(body));
    await world.hub.close();
  };
}

test(
  "above its limit of unacknowledged messages enqueue waits, and keeps the order",
  inWorld(async (world) => {
    const client = await world.client();
    const calls = Array.from({ length: 20 }, () => client.queues.enqueue("jobs", [message]));
    const outcomes = (await Promise.all(calls)).flat();
    expect(outcomes.map((outcome) => positionOf(outcome))).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
  }),
);

test(
  "who comes when there is room does not overtake those who wait for it",
  inWorld(async (world) => {
    const client = await world.client();
    const calls = Array.from({ length: 8 }, () => client.queues.enqueue("jobs", [message]));
    const late = calls[0]?.then(() => client.queues.enqueue("jobs", [message]));
    const outcomes = (await Promise.all([...calls, late])).flatMap((outcome) => outcome ?? []);
    expect(outcomes.map(positionOf)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  }),
);

test(
  "a message is stored once, however often its link breaks before the answer",
  inWorld(async (world) => {
    const client = await world.client();
    world.network.block("hub", "client");
    const sent = client.queues.enqueue("jobs", [message]);
    await sleep(world.clock, 10);
    expect(await waiting(world.broker)).toBe(1);
    world.network.cut("client");
    world.network.heal();
    expect(await sent).toEqual([{ kind: "stored", position: 1, duplicate: true }]);
    expect(await waiting(world.broker)).toBe(1);
  }),
);

test(
  "messages whose answers are lost are stored once each, the later ones beside the earlier",
  inWorld(async (world) => {
    const client = await world.client();
    world.network.block("hub", "client");
    const sent = [1, 2, 3].map(() => client.queues.enqueue("jobs", [message]));
    await sleep(world.clock, 10);
    world.network.cut("client");
    world.network.heal();
    const outcomes = (await Promise.all(sent)).flat();
    expect(outcomes).toEqual(
      [1, 2, 3].map((position) => ({ kind: "stored", position, duplicate: true })),
    );
    expect(await waiting(world.broker)).toBe(3);
  }),
);

test(
  "what is asked as soon as the hub is back is answered on a subscription from before",
  inWorld(async (world) => {
    const other = await world.client("other");
    await other.topics.subscribe(
      "question",
      () => other.topics.publish([{ topic: "answer", frame: Uint8Array.of(2) }]),
      never,
    );
    const client = await world.client();
    let answers = 0;
    await client.topics.subscribe("answer", () => answers++, never);
    // So that what leaves first arrives well before the rest.
    world.network.setConditions("client", "hub", { bytesPerMs: 1 });
    world.network.cut("client");
    let lost = false;
    for await (const { kind } of changesOf(client)) {
      if (lost && kind === "ready") break;
      lost ||= kind === "lost";
    }
    client.topics.publish([{ topic: "question", frame: Uint8Array.of(1), control: true }]);
    await sleep(world.clock, 1_000);
    expect(answers).toBe(1);
  }),
);

test(
  "a settlement is repeated, and still settled once",
  inWorld(async (world) => {
    const client = await world.client();
    await client.queues.enqueue("jobs", [message]);
    const options = { credit: 1, consumer: "client" };
    const batches = client.queues.receive("jobs", options, never)[Symbol.asyncIterator]();
    const [delivery] = (await batches.next()).value ?? [];
    if (delivery === undefined) throw new Error("nothing was delivered");
    world.network.block("hub", "client");
    const settled = client.queues.settle([
      {
        ...delivery,
        outcome: { kind: "done" },
        effects: [{ kind: "append", stream: "ledger", entries: [Uint8Array.of(9)] }],
      },
    ]);
    await sleep(world.clock, 10);
    world.network.cut("client");
    world.network.heal();
    expect(await settled).toEqual([{ kind: "settled" }]);
    const entries: number[] = [];
    for await (const batch of world.broker.log?.read("ledger", 1, {}, never) ?? []) {
      entries.push(...batch.map(({ position }) => position));
    }
    expect(entries).toEqual([1]);
  }),
);

test(
  "a settlement repeated to a successor that cannot know whose it was is indeterminate",
  inWorld(async (world) => {
    const { clock } = world;
    const storage = new MemoryStorage();
    const first = openEngine({ storage, clock, name: "first" });
    let hub = new Hub({ broker: first, clock, id: "first" });
    await world.network.listen("shared", (link) => hub.accept(link));
    const client = await world.client("client", "shared");
    await client.queues.declare(["jobs"]);
    await client.queues.enqueue("jobs", [message]);
    const options = { credit: 1, consumer: "client" };
    const batches = client.queues.receive("jobs", options, never)[Symbol.asyncIterator]();
    const [delivery] = (await batches.next()).value ?? [];
    if (delivery === undefined) throw new Error("nothing was delivered");
    world.network.block("shared", "client");
    const settled = client.queues.settle([{ ...delivery, outcome: { kind: "done" } }]);
    await sleep(clock, 10);

    storage.reopen();
    hub = new Hub({ broker: openEngine({ storage, clock, name: "second" }), clock, id: "second" });
    world.network.cut("client");
    world.network.heal();
    expect(await settled).toMatchObject([{ kind: "indeterminate" }]);
    await client.close();
    await hub.close();
  }),
);

test(
  "a settlement that waited for a link, and was sent once, is told for certain that it is stale",
  inWorld(async (world) => {
    const client = await world.client();
    await client.queues.enqueue("jobs", [message]);
    const options = { credit: 1, consumer: "client" };
    const batches = client.queues.receive("jobs", options, never)[Symbol.asyncIterator]();
    const [delivery] = (await batches.next()).value ?? [];
    if (delivery === undefined) throw new Error("nothing was delivered");
    world.network.block("client", "hub");
    world.network.cut("client");
    await sleep(world.clock, 10);
    const settled = client.queues.settle([{ ...delivery, outcome: { kind: "done" } }]);
    expect(await world.broker.queues.cancel("jobs", delivery.position)).toBe("cancelled");
    world.network.heal();
    expect(await settled).toEqual([{ kind: "stale" }]);
  }),
);

test(
  "what was refused is still in hand, also after a broken link",
  inWorld(async (world) => {
    const client = await world.client();
    await client.queues.enqueue("jobs", [message]);
    const options = { credit: 1, consumer: "client" };
    const batches = client.queues.receive("jobs", options, never)[Symbol.asyncIterator]();
    const [delivery] = (await batches.next()).value ?? [];
    if (delivery === undefined) throw new Error("nothing was delivered");
    const done = { ...delivery, outcome: { kind: "done" } } as const;
    const effect = {
      kind: "append",
      stream: "ledger",
      entries: [Uint8Array.of(9)],
      at: 7,
    } as const;
    const refused = await client.queues.settle([{ ...done, effects: [effect] }]);
    expect(refused).toMatchObject([{ kind: "refused", error: { code: "CONFLICT" } }]);
    const others = world.broker.queues.receive("jobs", options, never)[Symbol.asyncIterator]();
    let taken = false;
    void others.next().then(() => {
      taken = true;
    });
    world.network.cut("client");
    await sleep(world.clock, 5_000);
    expect(taken).toBe(false);
    expect(await client.queues.settle([done])).toEqual([{ kind: "settled" }]);
  }),
);

test(
  "what would do its work twice is not asked twice: the answer is that nobody knows",
  inWorld(async (world) => {
    const client = await world.client();
    world.network.block("hub", "client");
    const put = client.store?.put([{ key: "a", value: Uint8Array.of(1), ifRevision: 0 }]);
    const appended = client.log?.append("s", [Uint8Array.of(1)]);
    const read = client.store?.get(["a"]);
    await sleep(world.clock, 10);
    world.network.cut("client");
    world.network.heal();
    expect(await put).toMatchObject({ kind: "indeterminate" });
    expect(await appended).toMatchObject({ kind: "indeterminate" });
    expect(await read).toMatchObject([{ key: "a" }]);
  }),
);

test(
  "statuses tell of a lost link, its successor and the end",
  inWorld(async (world) => {
    const client = await world.client();
    const kinds: BrokerStatus["kind"][] = [];
    const watching = (async () => {
      for await (const { kind } of changesOf(client)) kinds.push(kind);
    })();
    world.network.cut("client");
    await client.queues.mailboxes();
    await client.close();
    await watching;
    expect(kinds).toEqual(["ready", "lost", "ready", "closed"]);
    const late = (async () => {
      for await (const { kind } of changesOf(client)) kinds.push(kind);
    })();
    await late;
    expect(kinds.at(-1)).toBe("closed");
  }),
);

test(
  "closing says of what was on its way that nobody knows, and refuses what comes after",
  inWorld(async (world) => {
    const client = await world.client();
    world.network.block("hub", "client");
    const sent = client.queues.enqueue("jobs", [message]);
    await client.close();
    expect(await sent).toMatchObject([{ kind: "indeterminate" }]);
    await expect(client.queues.enqueue("jobs", [message])).rejects.toMatchObject({
      code: "CLOSED",
    });
    await expect(client.queues.settle([])).rejects.toMatchObject({ code: "CLOSED" });
    await expect(client.queues.mailboxes()).rejects.toMatchObject({ code: "CLOSED" });
    expect(() => client.topics.publish([])).toThrow(expect.objectContaining({ code: "CLOSED" }));
    await client.close();
  }),
);

test(
  "a watch begins anew with every session",
  inWorld(async (world) => {
    const client = await world.client();
    const seen: string[] = [];
    const watch = (changes: readonly StoreChange[]): void => {
      for (const change of changes) {
        seen.push(change.kind === "reset" ? "reset" : `${change.kind} ${change.key}`);
      }
    };
    await world.broker.store?.put([{ key: "p/a", value: Uint8Array.of(1) }]);
    await client.store?.watch("p/", watch, never);
    await sleep(world.clock, 10);
    world.network.cut("client");
    await world.broker.store?.put([{ key: "p/b", value: Uint8Array.of(1) }]);
    await sleep(world.clock, 100);
    expect(seen).toEqual(["reset", "put p/a", "reset", "put p/a", "put p/b"]);
  }),
);

test(
  "a long reading goes on behind the last item when its link breaks",
  inWorld(async (world) => {
    const client = await world.client();
    const entries = Array.from({ length: 1_000 }, () => Uint8Array.of(1));
    await world.broker.log?.append("s", entries);
    const positions: number[] = [];
    for await (const batch of client.log?.read("s", 1, {}, never) ?? []) {
      positions.push(...batch.map(({ position }) => position));
      world.network.cut("client");
    }
    expect(positions).toEqual(Array.from({ length: 1_000 }, (_, index) => index + 1));
  }),
);

test(
  "whoever leaves a long reading leaves nothing open at the hub",
  inWorld(async (world) => {
    const client = await world.client();
    await world.broker.log?.append("s", [Uint8Array.of(1)]);
    for await (const _ of client.log?.read("s", 1, { follow: true }, never) ?? []) break;
    const stop = new AbortController();
    const reading = (async () => {
      for await (const _ of client.log?.read("s", 2, { follow: true }, stop.signal) ?? []);
    })();
    await sleep(world.clock, 10);
    stop.abort();
    // Who follows has not missed the end: it ends as if there were one.
    await expect(reading).resolves.toBeUndefined();
  }),
);

test(
  "a hub whose last words cannot be read is one that went away",
  inWorld(async (world) => {
    const client = await world.client();
    await world.network.listen("mumbler", (link) => {
      const writer = new FrameWriter();
      const { capabilities } = client;
      writeWelcome(writer, { hub: "h", broker: "b", capabilities, silenceMsMax: 1_000 });
      const goodbye = writer.begin(frameTypes.GOODBYE);
      writer.text("{");
      writer.endHeader(goodbye);
      writer.end(goodbye);
      link.send(writer.take());
    });
    const listener = await world.client("listener", "mumbler");
    const kinds: string[] = [];
    for await (const status of listener.statuses(never)) {
      kinds.push(status.kind);
      if (kinds.length === 3) break; // it comes again each time
    }
    expect(kinds).toEqual(["lost", "ready", "lost"]);
    await listener.close();
  }),
);

test(
  "a hub that is silent for too long is left for another link",
  inWorld(async (world) => {
    const client = await world.client();
    const statuses = client.statuses(never)[Symbol.asyncIterator]();
    await statuses.next();
    world.network.block("hub", "client");
    world.network.block("client", "hub");
    expect(await statuses.next()).toMatchObject({ value: { kind: "lost" } });
    world.network.heal();
    expect(await statuses.next()).toMatchObject({ value: { kind: "ready" } });
  }),
);

test(
  "a hub that ends the session for good is obeyed",
  inWorld(async (world) => {
    const links: Link[] = [];
    const writer = new FrameWriter();
    await world.network.listen("strict", (link) => {
      links.push(link);
      const { capabilities } = world.broker;
      writeWelcome(writer, { hub: "h", broker: "b", capabilities, silenceMsMax: 1_000 });
      link.send(writer.take());
    });
    const client = await world.client("client", "strict");
    writeGoodbye(writer, { code: "FORBIDDEN", message: "no more", retryable: false });
    links[0]?.send(writer.take());
    const kinds: unknown[] = [];
    for await (const status of client.statuses(never)) kinds.push(status);
    expect(kinds.at(-1)).toMatchObject({ kind: "closed", cause: { code: "FORBIDDEN" } });
    await expect(client.queues.mailboxes()).rejects.toMatchObject({ code: "FORBIDDEN" });
  }),
);

test(
  "bytes that a hub does not understand are taken for damage five times in a row, then for a mistake",
  inWorld(async (world) => {
    let sessions = 0;
    await world.network.listen("picky", (link) => {
      sessions++;
      const writer = new FrameWriter();
      const { capabilities } = world.broker;
      writeWelcome(writer, { hub: "h", broker: "b", capabilities, silenceMsMax: 1_000 });
      writeGoodbye(writer, { code: "INVALID_MESSAGE", message: "what?", retryable: false });
      link.send(writer.take());
    });
    const client = await world.client("client", "picky");
    const kinds: unknown[] = [];
    for await (const status of client.statuses(never)) kinds.push(status);
    expect(kinds.at(-1)).toMatchObject({ kind: "closed", cause: { code: "INVALID_MESSAGE" } });
    expect(sessions).toBe(6);
  }),
);

test(
  "a session that breaks as soon as it begins is not begun again at once for ever, one that lasted is",
  inWorld(async (world) => {
    const { clock, network } = world;
    let flaky = true;
    const links: Link[] = [];
    await network.listen("flaky", (link) => {
      links.push(link);
      const writer = new FrameWriter();
      const { capabilities } = world.broker;
      writeWelcome(writer, { hub: "h", broker: "b", capabilities, silenceMsMax: 60_000 });
      link.send(writer.take());
      if (flaky) void sleep(clock, 1).then(() => link.destroy());
    });
    const client = await world.client("client", "flaky");
    const delays: number[] = [];
    void (async () => {
      for await (const status of client.statuses(never)) {
        if (status.kind === "lost") delays.push(status.delayMs ?? 0);
      }
    })();
    await sleep(clock, 10_000);
    // Waits are drawn from up to a second: ten seconds of them, not ten thousand tries.
    expect(links.length).toBeGreaterThan(5);
    expect(links.length).toBeLessThan(100);
    flaky = false;
    await sleep(clock, 5_000);
    delays.length = 0;
    links.at(-1)?.destroy();
    await sleep(clock, 1);
    expect(delays).toEqual([0]);
    await client.close();
  }),
);

test(
  "a hub that takes the link and says nothing is AGENT_UNREACHABLE",
  inWorld(async (world) => {
    await world.network.listen("mute", () => {});
    await expect(world.client("client", "mute")).rejects.toMatchObject({
      code: "AGENT_UNREACHABLE",
    });
  }),
);

test(
  "frames that the link would not carry are refused before they break it",
  inWorld(async (world) => {
    const client = await world.client();
    const { frameBytesMax } = client.capabilities;
    const [large, named, fine] = await client.queues.enqueue("jobs", [
      { ...message, frame: new Uint8Array(frameBytesMax + 1) },
      { ...message, key: "k".repeat(65_536) },
      message,
    ]);
    expect(large).toMatchObject({ kind: "rejected", error: { code: "MESSAGE_TOO_LARGE" } });
    expect(named).toMatchObject({ kind: "rejected", error: { code: "MESSAGE_TOO_LARGE" } });
    expect(fine).toMatchObject({ kind: "stored" });
    const result = new Uint8Array(17 * 2 ** 20);
    const claim = { queue: "jobs", position: 1, fence: 1 };
    expect(
      await client.queues.settle([{ ...claim, outcome: { kind: "done", result } }]),
    ).toMatchObject([{ kind: "refused", error: { code: "MESSAGE_TOO_LARGE" } }]);
    expect(await client.store?.put([{ key: "k", value: result }])).toMatchObject({
      kind: "rejected",
      error: { code: "MESSAGE_TOO_LARGE" },
    });
  }),
);

function positionOf(outcome: EnqueueOutcome | undefined): number | undefined {
  return outcome?.kind === "stored" ? outcome.position : undefined;
}

async function waiting(broker: Broker): Promise<number | undefined> {
  const [mailbox] = await broker.queues.mailboxes();
  return mailbox?.waiting;
}
