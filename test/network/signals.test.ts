import type { Network } from "colloquy";
import { expect, test } from "vitest";
import { Deferred } from "../../src/runtime/deferred.ts";
import { onVirtualTime, openFabric } from "../support/fabric.ts";
import { openHubFabric } from "../support/hub-fabric.ts";

type Acts = Readonly<Record<string, (options: { signal: AbortSignal }) => Promise<unknown>>>;

/** What each came to, by name. */
async function endingsOf(acts: Acts, signal: AbortSignal): Promise<Record<string, unknown>> {
  const endings = Object.entries(acts).map(async ([name, act]) => {
    const ending = await act({ signal }).then(
      () => "done",
      (error: { readonly code: string }) => error.code,
    );
    return [name, ending] as const;
  });
  return Object.fromEntries(await Promise.all(endings));
}

function allCancelled(acts: Acts): Record<string, unknown> {
  return Object.fromEntries(Object.keys(acts).map((name) => [name, "CANCELLED"]));
}

onVirtualTime(
  "whatever waits for a hub that is away ends with its signal, and is not done when the hub is back",
  async () => {
    const fabric = await openHubFabric();
    const worker = await fabric.join("worker");
    const network = await fabric.join("asker");
    const working = await fabric.until(worker.agent("worker"));
    working.handle("WORK", (_input, { signal }) => aborted(signal));
    await fabric.until(working.ready());
    const agent = await fabric.until(network.agent("asker"));
    const receipt = await fabric.until(agent.send("agent:worker", "WORK"));
    const call = agent.call("agent:worker", "WORK");
    call.result.catch(() => {});
    await fabric.killHub();
    await fabric.clock.advance(100);
    expect(network.status.kind).toBe("lost");

    const idle = await (async () => {
      const { dead, mailboxes, store } = network;
      const acts: Acts = {
        "receipt.state": (options) => receipt.state(options),
        "receipt.settled": (options) => receipt.settled(options),
        "receipt.cancel": (options) => receipt.cancel(options),
        "receipt.rescind": (options) => receipt.rescind(options),
        "receipt.answer": (options) => receipt.answer(1, options),
        "receipt.answer by number": (options) => receipt.answer(1, { number: 1, ...options }),
        "dead.show": (options) => dead.show(1, options),
        "dead.replay": (options) => dead.replay(1, options),
        "dead.replay with another payload": (options) => dead.replay(1, { payload: 2, ...options }),
        "dead.purge": (options) => dead.purge([1, 2], options),
        "mailboxes.declare": (options) => mailboxes.declare("agent:late", options),
        "mailboxes.list": (options) => mailboxes.list(options),
        "mailboxes.remove": (options) => mailboxes.remove(["agent:worker"], options),
        "store.get": (options) => store.get("key", options),
        "store.put": (options) => store.put("key", 1, options),
        "net.agent": (options) => network.agent("late", options),
        "net.cancel": (options) => network.cancel(call.id, options),
        "agent.cancel": (options) => agent.cancel(call.id, options),
        "agent.subscribe": (options) => agent.subscribe("news", () => {}, options),
        send: (options) => agent.send("agent:worker", "WORK", 1, options),
        "call.cancel": (options) => call.cancel(options),
      };
      const controller = new AbortController();
      const endings = endingsOf(acts, controller.signal);
      const watching = collect(dead.watch({ signal: controller.signal }));
      await fabric.clock.advance(100);
      controller.abort();
      expect(await fabric.until(watching)).toEqual([]);
      expect(await fabric.until(endings)).toEqual(allCancelled(acts));
      expect(await fabric.until(endingsOf(acts, controller.signal))).toEqual(allCancelled(acts));
      return { mailboxes };
    })();

    await fabric.openHub();
    await fabric.clock.advance(5_000);
    expect(network.status.kind).toBe("ready");
    expect(await fabric.until(idle.mailboxes.list())).toEqual([]);
    expect(network.find({ id: "late" })).toEqual([]);
    await fabric.close();
  },
);

test("a dead letter that is looked for, and an agent that gets ready, end with their signals", async () => {
  const fabric = await openFabric(1);
  const [network] = fabric.networks as [Network];
  const agent = await fabric.until(network.agent("a"));
  agent.handle("WORK", () => 1);
  const signal = AbortSignal.abort();
  const acts: Acts = {
    "agent.ready": (options) => agent.ready(options),
    "dead.show": (options) => network.dead.show(1, options),
    "mailboxes.list": (options) => network.mailboxes.list(options),
  };
  expect(await fabric.until(endingsOf(acts, signal))).toEqual(allCancelled(acts));
  await fabric.close();
});

test("a mailbox whose declaration was given up leaves those who send to it alone", async () => {
  const fabric = await openFabric(1);
  const [network] = fabric.networks as [Network];
  const agent = await fabric.until(network.agent("a"));
  await fabric.until(network.mailboxes.declare("agent:box"));
  const controller = new AbortController();
  const declaring = network.mailboxes.declare("agent:box", { signal: controller.signal });
  const sending = agent.send("agent:box", "WORK");
  controller.abort();
  await expect(fabric.until(declaring)).rejects.toMatchObject({ code: "CANCELLED" });
  expect((await fabric.until(sending)).messageId).toBeDefined();
  await fabric.close();
});

async function collect(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const item of items) all.push(item);
  return all;
}

function aborted(signal: AbortSignal): Promise<unknown> {
  const end = new Deferred();
  signal.addEventListener("abort", () => end.resolve());
  return end.promise;
}
