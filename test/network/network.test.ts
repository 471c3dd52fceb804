import { ColloquyError, join, type Network, protocol, request } from "colloquy";
import { afterEach, expect, test } from "vitest";
import { type Fabric, openFabric } from "../support/fabric.ts";

let fabric: Fabric | undefined;
afterEach(async () => {
  await fabric?.close();
  fabric = undefined;
});

async function open(count: number, spaces: readonly string[] = []) {
  fabric = await openFabric(count, spaces);
  return { ...fabric, network: fabric.networks[0] as Network };
}

test("an agent is seen by every process with its card, until it leaves", async () => {
  const { network, networks, until, acquainted, eventually } = await open(2);
  const options = { type: "risk", capabilities: ["assess"], capacity: 3, weight: 2 };
  const agent = await until(network.agent("a", options));
  await acquainted();
  for (const each of networks) {
    expect(each.agents()).toMatchObject([{ id: "a", ...options, status: "active", load: 0 }]);
    expect(each.find({ capability: "assess", type: "risk", id: "a" })).toHaveLength(1);
    expect(each.find({ capability: "other" })).toHaveLength(0);
  }
  agent.setStatus("unhealthy", "no database");
  const unhealthy = { status: "unhealthy", reason: "no database" };
  await eventually(() => expect(networks[1]?.agents()).toMatchObject([unhealthy]));
  await until(agent.close());
  await eventually(() => {
    for (const each of networks) expect(each.agents()).toEqual([]);
  });
});

test("ready resolves when the others are told what the agent can do since it serves a contract", async () => {
  const { network, networks, until, isVirtual, eventually } = await open(2);
  const agent = await until(network.agent("a"));
  agent.serve(protocol("risk", { assess: request() }), { assess: () => 1 });
  await until(agent.ready());
  const known = () => expect(networks[1]?.find({ capability: "risk.assess" })).toHaveLength(1);
  if (isVirtual) known();
  else await eventually(known);
});

test("waitFor resolves when enough agents are there, and can be cancelled", async () => {
  const { network, networks, until } = await open(2);
  const two = networks[1]?.waitFor({ type: "risk" }, { count: 2 });
  await until(network.agent("a", { type: "risk" }));
  await until(network.agent("b", { type: "risk" }));
  expect(await until(two as Promise<unknown>)).toHaveLength(2);
  const controller = new AbortController();
  const never = network.waitFor({ type: "nobody" }, { signal: controller.signal });
  controller.abort();
  await expect(until(never)).rejects.toMatchObject({ code: "CANCELLED" });
});

test("a load that grows makes the others choose somebody else", async () => {
  const { network, networks, until, eventually, acquainted } = await open(3);
  const busy = await until((networks[1] as Network).agent("busy", { type: "w", capacity: 1 }));
  const free = await until((networks[2] as Network).agent("free", { type: "w", capacity: 1 }));
  for (const agent of [busy, free]) agent.handle("who", () => agent.id);
  busy.handle("block", () => new Promise<void>(() => {}));
  const inside = await until((networks[1] as Network).agent("inside"));
  inside.request("agent:busy", "block").catch(() => {});
  await acquainted();
  await eventually(() => expect(network.find({ id: "busy" })).toMatchObject([{ load: 1 }]));
  const asker = await until(network.agent("asker"));
  const answers = await until(
    Promise.all([1, 2].map(() => asker.request("type:w", "who").catch((error) => error.code))),
  );
  expect(answers).toContain("free");
  expect(answers).not.toContain("busy");
});

test("spaces that share a broker see and hear nothing of each other", async () => {
  const { networks, until, clock, eventually } = await open(2, ["red", "blue"]);
  const [red, blue] = await until(
    Promise.all(networks.map((each) => each.agent("same", { type: "t" }))),
  );
  if (red === undefined || blue === undefined) throw new Error("no agent");
  const heard: string[] = [];
  await until(red.subscribe("news", () => heard.push("red")));
  await until(blue.subscribe("news", () => heard.push("blue")));
  for (const [agent, name] of [
    [red, "red"],
    [blue, "blue"],
  ] as const) {
    agent.handle("who", () => name);
    await until(agent.ready());
  }
  await until(red.publish("news"));
  await eventually(() => expect(heard).toContain("red"));
  await clock.advance(50);
  expect(heard).toEqual(["red"]);
  expect(await until(blue.request("type:t", "who"))).toBe("blue");
  const receipt = await until(red.send("type:t", "who"));
  expect(await until(receipt.settled())).toEqual({ state: "done", result: "red" });
  expect(networks.map((each) => each.agents().length)).toEqual([1, 1]);
  const keys = networks.map((each) => each.store.put("k", each.instance));
  await until(Promise.all(keys));
  expect((await until((networks[0] as Network).store.get("k")))?.value).toBe(networks[0]?.instance);
});

test("an id is taken once in a process, and ids are checked", async () => {
  const { network, until } = await open(1);
  await until(network.agent("a"));
  await expect(until(network.agent("a"))).rejects.toMatchObject({ code: "CONFLICT" });
  await expect(until(network.agent("a b"))).rejects.toMatchObject({ code: "INVALID_ADDRESS" });
  await expect(until(network.agent("b", { capacity: 0 }))).rejects.toMatchObject({
    code: "INVALID_OPTION",
    details: { field: "capacity" },
  });
});

test("after closing everything is refused with CLOSED, and closing again is harmless", async () => {
  const { network, until } = await open(1);
  const agent = await until(network.agent("a"));
  const hanging = agent.request("type:agent", "nothing");
  await expect(until(hanging)).rejects.toBeInstanceOf(ColloquyError);
  await until(network.close());
  await until(network.close());
  for (const call of [
    () => network.agent("b"),
    () => agent.request("agent:a", "x"),
    () => agent.send("agent:a", "x"),
    () => agent.publish("t", 1),
    () => agent.subscribe("t", () => {}),
  ]) {
    await expect(until(Promise.resolve().then(call))).rejects.toMatchObject({ code: "CLOSED" });
  }
});

test("a URL nobody knows is refused with what there is", async () => {
  await expect(join("carrier-pigeon:coop")).rejects.toMatchObject({
    code: "INVALID_OPTION",
    details: { field: "url", value: "carrier-pigeon:coop" },
  });
});
