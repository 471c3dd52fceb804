import { type Agent, command, event, type Network, protocol, request, stream } from "colloquy";
import { afterEach, expect, test } from "vitest";
import { Deferred } from "../../src/runtime/deferred.ts";
import { type Fabric, openFabric } from "../support/fabric.ts";

const Work = protocol("work", {
  ask: request(),
  tell: stream(),
  leave: command(),
  said: event(),
});

const closed = expect.objectContaining({ code: "CLOSED" });

let fabric: Fabric;
afterEach(() => fabric.close());

/** An agent with a request under way, beside one that stays. */
async function open() {
  fabric = await openFabric(2);
  const [network, other] = fabric.networks as [Network, Network];
  const agent = await fabric.until(network.agent("leaver"));
  const worker = await fabric.until(other.agent("worker"));
  const go = new Deferred();
  worker.handle("slow", () => go.promise);
  worker.handle("WORK", () => "well");
  await fabric.until(worker.ready());
  await fabric.acquainted();
  const call = agent.call("agent:worker", "slow");
  call.result.catch(() => {});
  const receipt = await fabric.until(agent.send("agent:worker", "WORK"));
  return { network, other, agent, worker, call, go, receipt };
}

/** Everything that an agent does for those who hold it. */
function actsOf(agent: Agent, id: string): Readonly<Record<string, () => unknown>> {
  const to = "agent:worker";
  const client = agent.client(Work);
  return {
    handle: () => agent.handle("more", () => 1),
    serve: () => agent.serve(Work, { ask: () => 1 }),
    subscribe: () => agent.subscribe("news", () => {}),
    request: () => agent.request(to, "slow"),
    "request with policies": () => agent.request(to, "slow", 1, { retry: true, fallback: [to] }),
    "durable request": () => agent.request(to, "WORK", 1, { durable: true }),
    call: () => agent.call(to, "slow"),
    stream: () => agent.stream(to, "slow"),
    send: () => agent.send(to, "WORK"),
    "send to several": () => agent.send([to], "WORK"),
    publish: () => agent.publish("news", 1),
    attach: () => agent.attach(id),
    cancel: () => agent.cancel(id),
    setStatus: () => agent.setStatus("active"),
    "client.request": () => client.ask(1, { to }),
    "client.stream": () => client.tell(1, { to }),
    "client.send": () => client.leave(1, { to }),
    "client.publish": () => client.said(1),
  };
}

/** What each came to, by name; a throw counts as a rejection. */
async function refusalsOf(acts: Readonly<Record<string, () => unknown>>) {
  const outcomes = Object.entries(acts).map(async ([name, act]) => {
    const ending = (async () => act())().then(
      () => "accepted",
      (error: unknown) => error,
    );
    return [name, await ending] as const;
  });
  return Object.fromEntries(await fabric.until(Promise.all(outcomes)));
}

function allClosed(acts: object) {
  return Object.fromEntries(Object.keys(acts).map((name) => [name, closed]));
}

test("an agent that is closed refuses everything with CLOSED; what it had begun goes on", async () => {
  const { network, agent, call, go } = await open();
  await fabric.until(agent.close());
  const acts = actsOf(agent, call.id);
  expect(await refusalsOf(acts)).toEqual(allClosed(acts));
  expect(network.find({ id: "leaver" })).toEqual([]);
  go.resolve();
  await fabric.until(call.result);
});

test("a handler that still runs while its agent closes may ask and send through it", async () => {
  const { network, agent, go } = await open();
  const running = new Deferred();
  const closing = new Deferred();
  agent.handle("last", async () => {
    running.resolve();
    await closing.promise;
    await agent.publish("news", 1);
    const receipt = await agent.send("agent:worker", "WORK");
    return (await receipt.settled()).state;
  });
  await fabric.until(agent.ready());
  const asker = await fabric.until(network.agent("asker"));
  const answer = asker.request("agent:leaver", "last");
  await fabric.until(running.promise);
  const closed = agent.close();
  closing.resolve();
  expect(await fabric.until(answer)).toBe("done");
  await fabric.until(closed);
  go.resolve();
});

test("a network that is closed refuses everything with CLOSED, and so does what was got from it", async () => {
  const { network, agent, call, receipt } = await open();
  const { store, log, dead, mailboxes } = network;
  await fabric.until(network.close());
  const first = (steps: AsyncIterable<unknown>) => steps[Symbol.asyncIterator]().next();
  const acts = {
    agent: () => network.agent("late"),
    activity: () => network.activity(),
    waitFor: () => network.waitFor({ id: "worker" }),
    attach: () => network.attach(call.id),
    cancel: () => network.cancel(call.id),
    "the call": () => call.result,
    "receipt.state": () => receipt.state(),
    "receipt.settled": () => receipt.settled(),
    "receipt.updates": () => first(receipt.updates()),
    "receipt.cancel": () => receipt.cancel(),
    "receipt.rescind": () => receipt.rescind(),
    "receipt.answer": () => receipt.answer(1),
    "track().state": () => network.track(receipt.id).state(),
    "store.get": () => store.get("key"),
    "store.put": () => store.put("key", 1),
    "store.delete": () => store.delete("key"),
    "store.list": () => first(store.list()),
    "store.watch": () => store.watch("", () => {}, new AbortController().signal),
    "log.append": () => log.append("stream", 1),
    "log.read": () => first(log.read("stream")),
    "dead.list": () => first(dead.list()),
    "dead.show": () => dead.show(1),
    "dead.watch": () => first(dead.watch()),
    "dead.replay": () => dead.replay(1),
    "dead.purge": () => dead.purge(1),
    "mailboxes.declare": () => mailboxes.declare("agent:late"),
    "mailboxes.list": () => mailboxes.list(),
    "mailboxes.browse": () => first(mailboxes.browse("agent:worker")),
    "mailboxes.remove": () => mailboxes.remove("agent:worker"),
    ...actsOf(agent, call.id),
  };
  expect(await refusalsOf(acts)).toEqual(allClosed(acts));
  expect(network.status).toEqual({ kind: "closed" });
});
