/** What opens, listens and connects refuses options that it does not know; agents and networks: wrong-options.test.ts. */
import { join as joinFromPage } from "colloquy/browser";
import {
  connectTcp,
  connectWebSocket,
  Hub,
  listenTcp,
  listenWebSocket,
  openEmbedded,
  openHubBroker,
  systemClock,
  systemRandom,
  webSocketIntake,
} from "colloquy/hub";
import { openNatsBroker } from "colloquy/nats";
import { openRedisBroker } from "colloquy/redis";
import {
  FaultProxy,
  faultyBroker,
  limitedBroker,
  MemoryNetwork,
  NullBroker,
  openMemoryBroker,
  SeededRandom,
  simulate,
  VirtualClock,
  withRuntime,
} from "colloquy/testing";
import { expect, test } from "vitest";
import { join } from "../../src/network/join.ts";

const clock = systemClock;
const random = systemRandom;
const base = { clock, random };
const connect = () => Promise.reject(new Error("nobody is asked"));
const network = new MemoryNetwork(base);

/** Each with what it needs, and one option of a name that is nearly right. */
const cases: readonly (readonly [string, (wrong: never) => unknown, string])[] = [
  ["join, limits", (limits) => join("memory:", { limits }), "limits.hopsMax"],
  [
    "join, connection",
    (it) => join("memory:", { limits: { connection: it } }),
    "limits.connection.callBytesMax",
  ],
  ["join, hub", (it) => join("memory:", { limits: { hub: it } }), "limits.hub.sessionsMax"],
  ["join, store", (it) => join("memory:", { limits: { store: it } }), "limits.store.queuesMax"],
  ["join, tls", (tls) => join("tls://localhost", { tls }), "tls.servername"],
  ["join in a page", (it) => joinFromPage("memory:", it), "drainMs"],
  [
    "openHubBroker",
    (it: object) => openHubBroker({ ...base, connect, name: "x", ...it }),
    "credential",
  ],
  [
    "openHubBroker, limits",
    (limits) => openHubBroker({ ...base, connect, name: "x", limits }),
    "limits.backoffMinMs",
  ],
  ["openEmbedded", (it) => openEmbedded("/nowhere", it), "reserveBytes"],
  [
    "openEmbedded, limits",
    (hubLimits) => openEmbedded("/nowhere", { hubLimits }),
    "hubLimits.openMax",
  ],
  [
    "openEmbedded, store",
    (storeLimits) => openEmbedded("/nowhere", { storeLimits }),
    "storeLimits.timersMax",
  ],
  ["openMemoryBroker", (it) => openMemoryBroker(it), "bytesMax"],
  ["openMemoryBroker, limits", (limits) => openMemoryBroker({ limits }), "limits.queuesMax"],
  ["withRuntime", (it) => withRuntime(connect, it), "callsInFlightMax"],
  ["openNatsBroker", (it) => openNatsBroker(it), "servers"],
  ["openNatsBroker, system", (system) => openNatsBroker({ system }), "system.monitor"],
  [
    "openRedisBroker",
    (it: object) => openRedisBroker({ url: "redis://localhost:1", ...it }),
    "password",
  ],
  [
    "Hub",
    (it: object) => new Hub({ clock, id: "x", broker: openMemoryBroker(), ...it }),
    "authenticate",
  ],
  [
    "Hub, limits",
    (limits) => new Hub({ clock, id: "x", broker: openMemoryBroker(), limits }),
    "limits.openMax",
  ],
  ["connectTcp", (it: object) => connectTcp({ host: "localhost", port: 1, ...it }), "host"],
  ["connectTcp, tls", (tls) => connectTcp({ host: "localhost", port: 1, tls }), "tls.cert"],
  ["listenTcp", (it: object) => listenTcp({ port: 0, ...it }, () => {}), "port"],
  [
    "listenTcp, tls",
    (tls: object) => listenTcp({ port: 0, tls: { cert: "", key: "", ...tls } }, () => {}),
    "tls.key",
  ],
  ["connectWebSocket", (it: object) => connectWebSocket({ url: "ws://localhost", ...it }), "url"],
  ["listenWebSocket", (it: object) => listenWebSocket({ port: 0, ...it }, () => {}), "patienceMs"],
  ["webSocketIntake", (it) => webSocketIntake(it, () => {}), "origins"],
  [
    "FaultProxy.open",
    (it: object) => FaultProxy.open({ target: { port: 1 }, random, ...it }),
    "listen",
  ],
  [
    "faultyBroker",
    (it: object) => faultyBroker(new NullBroker(), { ...base, rates: () => ({}), ...it }),
    "latencyMs",
  ],
  ["limitedBroker", (it) => limitedBroker(new NullBroker(), it), "keyOrder"],
  ["MemoryNetwork", (it: object) => new MemoryNetwork({ ...base, ...it }), "windowBytes"],
  [
    "MemoryNetwork, conditions",
    (conditions) => new MemoryNetwork({ ...base, conditions }),
    "conditions.latencyMs",
  ],
  ["network.setConditions", (it) => network.setConditions("a", "b", it), "bytesPerMs"],
  ["VirtualClock", (it) => new VirtualClock(it), "startMs"],
  [
    "simulate",
    (it: object) => simulate({ seed: 1, processes: {}, test: () => {}, ...it }),
    "withinMs",
  ],
];

test.each(cases)("%s refuses an option that it does not know", async (_name, open, meant) => {
  const path = meant.split(".");
  const mistyped = `${path.pop()}s`;
  const wrong = { [mistyped]: "hunter2" };
  const refused = async () => open(wrong as never);
  const error = await refused().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({
    code: "INVALID_OPTION",
    message: expect.stringContaining(`did you mean ${meant}?`),
    details: { field: [...path, mistyped].join("."), nearest: meant },
  });
  expect(JSON.stringify(error)).not.toContain("hunter2");
});

test("rates and ways of faults are refused by name, too", async () => {
  const rates = () => ({ rejections: 1 }) as object;
  const faulty = faultyBroker(openMemoryBroker(), { clock, random: new SeededRandom(1), rates });
  await expect(faulty.queues.mailboxes(new AbortController().signal)).rejects.toMatchObject({
    details: { field: "rates.rejections", nearest: "rates.rejection" },
  });
  const proxy = await FaultProxy.open({ target: { port: 1 }, random });
  expect(() => proxy.set("to-client", { delay: 5 } as never)).toThrow("did you mean delayMs?");
  await proxy.close();
});
