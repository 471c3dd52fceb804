/** What was sent over a connection that has broken, and arrives after it was sent again over the next. */
import { expect, onTestFinished, test } from "vitest";
import type {
  Broker,
  Delivery,
  MessageState,
  QueuedMessage,
  ReceiveOptions,
} from "../../src/broker/broker.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import { FaultProxy } from "../../src/testing/index.ts";
import { overEachServer } from "../support/servers/over-servers.ts";
import type { Server } from "../support/servers/server.ts";
import { openAt } from "../support/servers/servers.ts";
import { LateRelay } from "./support/late-relay.ts";

const timeout = 60_000;
/** Nothing is made up for by signs of life meanwhile. */
const leaseMs = 600_000;
const { signal } = new AbortController();
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array | undefined) => new TextDecoder().decode(data);

let places = 0;

async function openBehindRelay(server: Server) {
  const relay = await LateRelay.open(server.port);
  const broker = await openAt(server.placeUrl(`late-${++places}`, leaseMs, relay.port));
  onTestFinished(async () => {
    await broker.close();
    await relay.close();
  });
  return { relay, broker };
}

/** Makes a call whose bytes arrive only when it has been made again, and what follows it. */
async function late<Value>(
  relay: LateRelay,
  call: () => Promise<Value>,
  then: () => Promise<unknown>,
): Promise<Value> {
  relay.hold();
  const answer = call();
  await expect.poll(() => relay.keptBytes, { timeout }).toBeGreaterThan(0);
  relay.break();
  const value = await answer;
  // More than one: what the first tells the server of the call, the second has heard.
  await then();
  await then();
  await relay.deliver();
  return value;
}

async function contentsOf(broker: Broker, stream: string): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const entries of broker.log?.read(stream, 1, {}, signal) ?? []) {
    found.push(...entries.map(({ data }) => text(data)));
  }
  return found;
}

overEachServer((server) => {
  test("what is appended is appended once", { timeout }, async () => {
    const { relay, broker } = await openBehindRelay(await server());
    await broker.log?.append("s", [bytes("first")]);
    const append = (content: string) => broker.log?.append("s", [bytes(content)]);
    await late(
      relay,
      async () => append("late"),
      async () => append("more"),
    );
    expect(await contentsOf(broker, "s")).toEqual(["first", "late", "more", "more"]);
  });

  test("what is put does not take the place of what was put after it", { timeout }, async () => {
    const { relay, broker } = await openBehindRelay(await server());
    const put = (value: string) => broker.store?.put([{ key: "k", value: bytes(value) }]);
    await late(
      relay,
      async () => put("old"),
      async () => put("new"),
    );
    const [entry] = (await broker.store?.get(["k"])) ?? [];
    expect(text(entry?.value)).toBe("new");
  });

  test("what is sent is stored once", { timeout }, async () => {
    const { relay, broker } = await openBehindRelay(await server());
    await broker.queues.declare(["q"]);
    const send = (content: string) => broker.queues.enqueue("q", [message(content)]);
    await late(
      relay,
      () => send("late"),
      () => send("more"),
    );
    const waiting: string[] = [];
    for await (const batch of broker.queues.browse("q", {}, signal)) {
      waiting.push(...batch.map(({ frame }) => text(frame)));
    }
    expect(waiting).toEqual(["late", "more", "more"]);
  });

  test("who receives keeps what it was given since", { timeout }, async () => {
    const { relay, broker } = await openBehindRelay(await server());
    await broker.queues.declare(["q", "other"]);
    const received: Delivery[] = [];
    const send = () =>
      broker.queues.enqueue("q", [{ ...message("once"), guarantee: "at-most-once" }]);
    await late(
      relay,
      async () => {
        receiving(broker, {}, async (batch) => void received.push(...batch));
        await broker.queues.enqueue("other", [message("there")]);
      },
      send,
    );
    await expect.poll(() => received.length, { timeout }).toBe(2);
    await send();
    await expect.poll(() => received.length, { timeout }).toBe(3);
    expect(new Set(received.map(({ position }) => position)).size).toBe(3);
    const settlements = received.map((each) => ({ ...each, outcome: { kind: "done" } as const }));
    expect(await broker.queues.settle(settlements)).toEqual(
      settlements.map(() => ({ kind: "settled" })),
    );
  });

  test("a following that was begun anew goes on", { timeout }, async () => {
    const { relay, broker } = await openBehindRelay(await server());
    await broker.queues.declare(["q"]);
    const position = await stored(broker, "followed");
    const follow = (following: AbortController, seen: MessageState["state"][]) => {
      const onChange = ({ state }: MessageState) => void seen.push(state);
      const options = { wait: true, onChange, signal: following.signal };
      broker.queues.track("q", position, options).catch(() => {});
      return expect.poll(() => seen.length, { timeout }).toBeGreaterThan(0);
    };
    const [first, anew] = [new AbortController(), new AbortController()];
    onTestFinished(() => anew.abort());
    await follow(first, []);
    const seen: MessageState["state"][] = [];
    await late(
      relay,
      async () => {
        first.abort();
        // Answered over the next connection.
        await broker.queues.mailboxes();
      },
      async () => {
        if (seen.length === 0) await follow(anew, seen);
        // What came before it was taken by the server.
        await broker.queues.mailboxes();
      },
    );
    const holding = new AbortController();
    onTestFinished(() => holding.abort());
    const options = { credit: 1, consumer: "c" };
    const received = broker.queues.receive("q", options, holding.signal);
    for await (const [delivery] of received) {
      await broker.queues.settle([{ ...(delivery as Delivery), outcome: { kind: "release" } }]);
      holding.abort();
    }
    await expect.poll(() => seen, { timeout }).toContain("offered");
  });

  test("what is cancelled on its way to a receiver holds up none of its key", {
    timeout,
  }, async () => {
    const { port, placeUrl } = bound(await server());
    const place = `late-${++places}`;
    const proxy = await FaultProxy.open({ target: { port }, random: systemRandom });
    const broker = await openAt(placeUrl(place, leaseMs, proxy.port));
    const sender = await openAt(placeUrl(place, leaseMs, port));
    onTestFinished(async () => {
      await Promise.all([broker.close(), sender.close()]);
      await proxy.close();
    });
    await sender.queues.declare(["q"]);
    const received: string[] = [];
    receiving(broker, { onNotice: () => {} }, async (batch) => {
      const done = batch.map((each) => ({ ...each, outcome: { kind: "done" } as const }));
      await broker.queues.settle(done);
      received.push(...batch.map(({ frame }) => text(frame)));
    });
    await sender.queues.enqueue("q", [message("first")]);
    await expect.poll(() => received, { timeout }).toEqual(["first"]);
    proxy.set("to-client", { blackHole: true });
    const swallowed = proxy.swallowed("to-client");
    const lost = await stored(sender, "lost", "k");
    await expect.poll(() => proxy.swallowed("to-client"), { timeout }).toBeGreaterThan(swallowed);
    expect(await sender.queues.cancel("q", lost)).toBe("cancelled");
    await sender.queues.enqueue("q", [{ ...message("next"), key: "k" }]);
    proxy.set("to-client", {});
    proxy.cut();
    await expect.poll(() => received, { timeout }).toEqual(["first", "next"]);
  });
});

/** From the queue "q", until the test is over. */
function receiving(
  { queues }: Broker,
  more: Partial<ReceiveOptions>,
  took: (batch: readonly Delivery[]) => Promise<void>,
): void {
  const leaving = new AbortController();
  const ended = (async () => {
    const options = { credit: 10, consumer: "c", ...more };
    for await (const batch of queues.receive("q", options, leaving.signal)) await took(batch);
  })();
  onTestFinished(async () => {
    leaving.abort();
    await ended;
  });
}

/** What a test needs of a server, without it. */
function bound(server: Server): Pick<Server, "port" | "placeUrl"> {
  return { port: server.port, placeUrl: (...parts) => server.placeUrl(...parts) };
}

async function stored(broker: Broker, content: string, key?: string): Promise<number> {
  const sent = key === undefined ? message(content) : { ...message(content), key };
  const [outcome] = await broker.queues.enqueue("q", [sent]);
  if (outcome?.kind !== "stored") throw new Error("it should be stored");
  return outcome.position;
}

let messages = 0;

function message(content: string): QueuedMessage {
  const id = `late ${++messages}`;
  return { frame: bytes(content), lane: 2, guarantee: "at-least-once", id };
}
