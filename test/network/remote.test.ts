/** The same programs over every kind of link that `join` knows, and how a URL names it. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { Hub } from "../../src/hub/hub.ts";
import { join } from "../../src/index.ts";
import type { Listener } from "../../src/link/link.ts";
import { listenTcp } from "../../src/link/tcp.ts";
import { listenWebSocket } from "../../src/link/websocket-listener.ts";
import { hubAddress } from "../../src/network/hub-url.ts";
import { systemClock as clock } from "../../src/runtime/clock.ts";
import { authority, hubCertificate } from "../support/certificates.ts";

const broker = openMemoryBroker();
const hub = new Hub({ broker, clock, id: "hub" });
const listeners: Listener[] = [];
const accept = hub.accept.bind(hub);

beforeAll(async () => {
  listeners.push(
    await listenTcp({ port: 0 }, accept),
    await listenTcp({ port: 0, tls: hubCertificate }, accept),
    await listenWebSocket({ port: 0, path: "/fabric" }, accept),
    await listenWebSocket({ port: 0, tls: hubCertificate }, accept),
  );
});

afterAll(async () => {
  await Promise.all(listeners.map((listener) => listener.close()));
  await hub.close();
  await broker.close();
});

test("agents meet across links of every kind", async () => {
  const options = { tls: { ca: authority }, drainOnSignals: false };
  const nets = await Promise.all(listeners.map(({ address }) => join(address, options)));
  const schemes = listeners.map(({ address }) => address.split(":", 1)[0]);
  expect(schemes).toEqual(["tcp", "tls", "ws", "wss"]);
  const agents = await Promise.all(nets.map((net, index) => net.agent(`agent-${schemes[index]}`)));
  for (const [index, agent] of agents.entries()) {
    agent.handle("who", () => schemes[index]);
    agent.handle("count", async function* (to) {
      for (let number = 0; number < (to as number); number++) yield number;
    });
    agent.handle("KEEP", (input) => input);
    await agent.ready();
  }
  const heard: unknown[] = [];
  const all = Promise.withResolvers<void>();
  for (const agent of agents) {
    await agent.subscribe("news", (data) => {
      heard.push(data);
      if (heard.length === agents.length) all.resolve();
    });
  }
  for (const asker of agents) {
    for (const scheme of schemes) {
      const to = `agent:agent-${scheme}` as const;
      expect(await asker.request(to, "who")).toBe(scheme);
      const numbers: unknown[] = [];
      for await (const number of asker.stream(to, "count", 50)) numbers.push(number);
      expect(numbers).toHaveLength(50);
      const receipt = await asker.send(to, "KEEP", scheme);
      expect(await receipt.settled()).toEqual({ state: "done", result: scheme });
    }
  }
  await agents[0]?.publish("news", "extra");
  await all.promise;
  expect(heard).toEqual(["extra", "extra", "extra", "extra"]);
  await Promise.all(nets.map((net) => net.close()));
});

test("a URL that names no place is refused, and says what would", () => {
  const wrong = [
    "tcp:host:1",
    "tcp://",
    "tcp://host:0",
    "tcp://host:70000",
    "tcp://host/path",
    "tcp://user@host",
    "tls://host?x",
    "ws:host:x",
    "unix:",
  ];
  for (const url of wrong) {
    expect(() => hubAddress(url, undefined), url).toThrow(
      expect.objectContaining({ code: "INVALID_OPTION" }),
    );
  }
  expect(hubAddress("http://host", undefined)).toBeUndefined();
  expect(hubAddress("tcp://[::1]:5", undefined)).toBeDefined();
  expect(hubAddress("tls://host", undefined)).toBeDefined();
});
