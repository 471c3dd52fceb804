import { type Agent, command, type Network, protocol, request } from "colloquy";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Fabric, openFabric } from "../support/fabric.ts";

const Risk = protocol("risk", { assess: request(), archive: command() });

let fabric: Fabric;
let network: Network;
let analyst: Agent;

beforeEach(async () => {
  fabric = await openFabric(2);
  network = fabric.networks[0] as Network;
  analyst = await fabric.until(network.agent("analyst"));
});
afterEach(() => fabric.close());

test("a contract is served whole, or not at all", async () => {
  analyst.handle("risk.archive", () => "by hand");
  const both = { assess: () => "served", archive: () => "served" };
  expect(() => analyst.serve(Risk, both)).toThrow(expect.objectContaining({ code: "CONFLICT" }));
  expect(analyst.capabilities).toEqual([]);
  const asked = analyst.request("agent:analyst", Risk.assess, 1);
  await expect(fabric.until(asked)).rejects.toMatchObject({ code: "NO_HANDLER" });
  const odd = { assess: () => 1, toString: () => "no member" };
  expect(() => analyst.serve(Risk, odd)).toThrow(
    expect.objectContaining({ code: "INVALID_OPTION" }),
  );
});

test("the capability of a contract goes with its registration, also for the others", async () => {
  const other = fabric.networks[1] as Network;
  const registration = analyst.serve(Risk, { assess: () => 1 });
  await fabric.until(analyst.ready());
  await fabric.eventually(() => expect(other.find({ capability: "risk.assess" })).toHaveLength(1));
  registration.close();
  await fabric.until(analyst.ready());
  await fabric.eventually(() => expect(other.find({ capability: "risk.assess" })).toEqual([]));
  analyst.serve(Risk, { assess: () => 2 });
  expect(await fabric.until(analyst.client(Risk).assess(1))).toBe(2);
});

test("handlers of a contract are tried again as its options say", async () => {
  let starts = 0;
  const archive = () => {
    starts++;
    throw new Error("no disk");
  };
  analyst.serve(Risk, { archive }, { retry: { attemptsMax: 2, baseMs: 1 } });
  await fabric.until(analyst.ready());
  const receipt = await fabric.until(analyst.client(Risk).archive(1));
  expect(await fabric.until(receipt.settled())).toMatchObject({ state: "dead" });
  expect(starts).toBe(2);
});

test("a closed agent serves nothing and hears nothing", async () => {
  const heard: unknown[] = [];
  const subscribed = analyst.subscribe("news", (data) => heard.push(data));
  const closing = analyst.close();
  await expect(fabric.until(subscribed)).rejects.toMatchObject({ code: "CLOSED" });
  await fabric.until(closing);
  const speaker = await fabric.until(network.agent("speaker"));
  await fabric.until(speaker.publish("news", 1));
  await fabric.clock.advance(10);
  expect(heard).toEqual([]);
  const serving = () => analyst.serve(Risk, { assess: () => 1 });
  expect(serving).toThrow(expect.objectContaining({ code: "CLOSED" }));
});

test("a subscription whose signal has aborted is not made, or is over", async () => {
  const heard: unknown[] = [];
  const never = analyst.subscribe("news", () => {}, { signal: AbortSignal.abort() });
  await expect(fabric.until(never)).rejects.toMatchObject({ code: "CANCELLED" });
  const stop = new AbortController();
  const { signal } = stop;
  await fabric.until(analyst.subscribe("news", (data) => heard.push(data), { signal }));
  await fabric.until(analyst.publish("news", 1));
  await fabric.eventually(() => expect(heard).toEqual([1]));
  stop.abort();
  await fabric.until(analyst.publish("news", 2));
  await fabric.clock.advance(10);
  expect(heard).toEqual([1]);
});

test("a topic that is none is refused where a handler publishes, and can be caught there", async () => {
  analyst.handle("tell", (_input, { publish }) => {
    expect(() => publish("no topic", 1)).toThrow(
      expect.objectContaining({ code: "INVALID_ADDRESS" }),
    );
    return "told";
  });
  const told = analyst.request("agent:analyst", "tell");
  expect(await fabric.until(told)).toBe("told");
});
