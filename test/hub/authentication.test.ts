/** Who may come in, and what they may do there, over real sockets but for what is about time. */
import type { IncomingMessage } from "node:http";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { afterEach, expect, test } from "vitest";
import type { Broker, QueuedMessage } from "../../src/broker/broker.ts";
import { writeHello } from "../../src/broker/hub/operations/greeting.ts";
import { openHubBroker } from "../../src/broker/hub.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import {
  type Authenticate,
  certificateIdentity,
  type Identity,
  localIdentity,
  sharedToken,
} from "../../src/hub/authentication.ts";
import { Hub, type HubOptions } from "../../src/hub/hub.ts";
import { join } from "../../src/index.ts";
import { asks, checkExposure } from "../../src/link/exposure.ts";
import type { Link } from "../../src/link/link.ts";
import { connectTcp, listenTcp } from "../../src/link/tcp.ts";
import { listenWebSocket, webSocketIntake } from "../../src/link/websocket-listener.ts";
import { frameTypes } from "../../src/message/frame.ts";
import { systemClock as clock } from "../../src/runtime/clock.ts";
import { systemRandom as random } from "../../src/runtime/random.ts";
import { authority, clientCertificate, hubCertificate } from "../support/certificates.ts";
import { inWorld } from "./support/hub-world.ts";
import { RawClient, someone } from "./support/raw-client.ts";

const token = "correct horse battery staple";
const never = new AbortController().signal;
const opened: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

test("a shared token lets in who knows it, and refuses at once who does not", async () => {
  const { accept } = openHub({ authenticate: sharedToken(token) });
  const tcp = await listening(listenTcp({ port: 0 }, accept));
  const ws = await listening(listenWebSocket({ port: 0 }, accept));
  for (const url of [tcp, ws]) {
    for (const wrong of [undefined, "wrong", `${token} `]) {
      const options = wrong === undefined ? {} : { token: wrong };
      await expect(join(url, options)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    }
    const net = await join(url, { token, drainOnSignals: false });
    const agent = await net.agent(`agent-${url.slice(0, 3)}`);
    agent.handle("echo", (input) => input);
    expect(await agent.request(`agent:agent-${url.slice(0, 3)}`, "echo", 1)).toBe(1);
    await net.close();
  }
});

test("a client that is refused when it comes again is told, and does not try for ever", async () => {
  let open = true;
  const check = sharedToken(token);
  const { accept, links } = openHub({
    authenticate: (hello, link) =>
      open ? check(hello, link) : sharedToken(`${token}!`)(hello, link),
  });
  const net = await join(await listening(listenTcp({ port: 0 }, accept)), {
    token,
    drainOnSignals: false,
  });
  opened.push(() => net.close());
  const agent = await net.agent("agent");
  open = false;
  for (const link of links) link.destroy();
  await expect(agent.send("agent:agent", "X")).rejects.toMatchObject({ code: "UNAUTHORIZED" });
});

test("whoever comes by a listener that vouches for them is asked nothing", async () => {
  const { hub } = openHub({ authenticate: sharedToken(token) });
  const url = await listening(listenTcp({ port: 0 }, (link) => hub.accept(link, localIdentity)));
  const net = await join(url, { drainOnSignals: false });
  await net.close();
});

test("what is not allowed is FORBIDDEN, each operation by itself, and the session goes on", async () => {
  const asked: string[] = [];
  const { accept } = openHub({
    authenticate: async ({ credential = "" }) => ({ name: credential }),
    authorise: ({ name }, action, subject) => {
      asked.push(`${name} ${action} ${subject}`);
      return name === "root" || subject.startsWith("mine");
    },
  });
  const url = await listening(listenTcp({ port: 0 }, accept));
  const root = await client(url, "root");
  const guest = await client(url, "guest");
  await root.queues.declare(["yours", "mine"]);
  await root.queues.enqueue("yours", [message("1")]);
  const forbidden = { code: "FORBIDDEN" };

  await expect(guest.topics.subscribe("yours.>", () => {}, never)).rejects.toMatchObject(forbidden);
  await expect(guest.queues.declare(["yours"])).rejects.toMatchObject(forbidden);
  await expect(guest.queues.remove(["yours"])).rejects.toMatchObject(forbidden);
  await expect(guest.queues.mailboxes()).rejects.toMatchObject(forbidden);
  expect(await guest.queues.enqueue("yours", [message("2")])).toMatchObject([
    { kind: "rejected", error: forbidden },
  ]);
  await expect(first(guest.queues.receive("yours", receiving, never))).rejects.toMatchObject(
    forbidden,
  );
  await expect(guest.queues.cancel("yours", 1)).rejects.toMatchObject(forbidden);
  await expect(guest.queues.track("yours", 1)).rejects.toMatchObject(forbidden);
  await expect(
    guest.queues.answer("yours", 1, { number: 1, data: bytes("!") }),
  ).rejects.toMatchObject(forbidden);
  await expect(first(guest.queues.browse("yours", {}, never))).rejects.toMatchObject(forbidden);
  await expect(first(guest.queues.deadLetters({}, never))).rejects.toMatchObject(forbidden);
  await expect(guest.queues.replay([1])).rejects.toMatchObject(forbidden);
  await expect(guest.queues.purge([1])).rejects.toMatchObject(forbidden);
  await expect(guest.store?.get(["yours"])).rejects.toMatchObject(forbidden);
  const put = guest.store?.put([{ key: "mine" }, { key: "yours" }]);
  await expect(put).rejects.toMatchObject(forbidden);
  await expect(first(guest.store?.list("", never))).rejects.toMatchObject(forbidden);
  await expect(guest.store?.watch("", () => {}, never)).rejects.toMatchObject(forbidden);
  await expect(guest.log?.append("yours", [bytes("!")])).rejects.toMatchObject(forbidden);
  await expect(first(guest.log?.read("yours", 1, {}, never))).rejects.toMatchObject(forbidden);

  const heard: string[] = [];
  await root.topics.subscribe(">", (topic) => heard.push(topic), never);
  const unheard = new Promise<void>((resolve) => {
    guest.topics.publish([{ topic: "yours.news", frame: bytes("!"), onUnheard: () => resolve() }]);
  });
  await unheard;
  guest.topics.publish([{ topic: "mine.news", frame: bytes("!") }]);
  await guest.queues.enqueue("mine", [message("3")]);
  const [delivery] = (await first(guest.queues.receive("mine", receiving, never))) ?? [];
  const settle = (stream: string) =>
    guest.queues.settle([
      {
        queue: "mine",
        position: delivery?.position ?? 0,
        fence: delivery?.fence ?? 0,
        outcome: { kind: "done" },
        effects: [{ kind: "append", stream, entries: [bytes("!")] }],
      },
    ]);
  expect(await settle("yours")).toMatchObject([{ kind: "refused", error: forbidden }]);
  // By another link than the answers above.
  await expect.poll(() => heard).toEqual(["mine.news"]);
  expect(asked).toContain("guest subscribe yours.>");
  // Nothing of it has happened.
  expect(await root.queues.mailboxes()).toMatchObject([{ waiting: 1 }, {}]);
  expect(await first(root.log?.read("yours", 1, {}, never))).toBeUndefined();
});

test("who may not receive from a mailbox cannot settle or report on its messages by guessing", async () => {
  const { hub, accept } = openHub({
    authenticate: async ({ credential = "" }) => ({ name: credential }),
    authorise: ({ name }) => name === "root",
  });
  const url = await listening(listenTcp({ port: 0 }, accept));
  const root = await client(url, "root");
  const guest = await client(url, "guest");
  await root.queues.declare(["yours"]);
  await root.queues.enqueue("yours", [message("1")]);
  const deliveries = root.queues.receive("yours", receiving, never)[Symbol.asyncIterator]();
  const [delivery] = (await deliveries.next()).value ?? [];
  const claim = { queue: "yours", position: delivery?.position ?? 0, fence: delivery?.fence ?? 0 };
  const settlement = { ...claim, outcome: { kind: "done" } } as const;
  const refused = [{ kind: "refused", error: { code: "FORBIDDEN" } }];
  expect(await guest.queues.settle([settlement])).toMatchObject(refused);
  expect(await guest.queues.report([{ ...claim, kind: "started" }])).toMatchObject(refused);
  expect(hub.refused).toBe(2);
  expect(await root.queues.settle([settlement])).toMatchObject([{ kind: "settled" }]);
});

test("an authenticator that names nobody lets nobody in, an authoriser that promises allows nothing", async () => {
  const careless = async () => undefined;
  const promises = async () => true;
  const nobody = openHub({ authenticate: careless as unknown as Authenticate });
  const closed = await listening(listenTcp({ port: 0 }, nobody.accept));
  await expect(client(closed, "guest")).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  const { accept } = openHub({ authorise: promises as unknown as () => boolean });
  const guest = await client(await listening(listenTcp({ port: 0 }, accept)), "guest");
  await expect(guest.queues.declare(["mine"])).rejects.toMatchObject({ code: "FORBIDDEN" });
});

test(
  "an authenticator that does not answer costs its own client the place, and nobody else",
  inWorld(
    {
      authenticate: ({ name }) =>
        name === "slow" ? new Promise(() => {}) : Promise.resolve({ name }),
      limits: { strangersMax: 1, helloTimeoutMs: 50 },
    },
    async (world) => {
      await expect(world.client("slow")).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
      expect(world.clock.monotonicMs()).toBeLessThan(100);
      const quick = await world.client("quick");
      await quick.queues.declare(["mine"]);
    },
  ),
);

test("who is refused while it is being asked about is not taken in afterwards", async () => {
  const answer = Promise.withResolvers<Identity>();
  const { hub, accept } = openHub({ authenticate: () => answer.promise });
  const { hostname: host, port } = new URL(
    (await listening(listenTcp({ port: 0 }, accept))).replace("tcp", "http"),
  );
  const link = await connectTcp({ host, port: Number(port) })(never);
  opened.push(async () => link.destroy());
  const raw = new RawClient(link);
  raw.write((writer) => {
    writeHello(writer, someone);
    writeHello(writer, someone);
  });
  await raw.until(frameTypes.GOODBYE);
  await raw.ended;
  answer.resolve({ name: "late" });
  await answer.promise;
  await new Promise((resolve) => setImmediate(resolve));
  expect(hub.sessions).toBe(0);
});

test("net.status is told each change: ready, lost, and refused for good with the reason", async () => {
  let check = sharedToken(token);
  const { accept, links } = openHub({ authenticate: (hello, link) => check(hello, link) });
  const url = await listening(listenTcp({ port: 0 }, accept));
  const net = await join(url, { token, drainOnSignals: false });
  opened.push(() => net.close());
  const statuses = net.statuses(never)[Symbol.asyncIterator]();
  const next = async () => (await statuses.next()).value;
  expect(await next()).toEqual({ kind: "ready" });
  links[0]?.destroy();
  expect(await next()).toMatchObject({ kind: "lost" });
  expect(await next()).toEqual({ kind: "ready" });
  check = sharedToken("another token than before");
  links[1]?.destroy();
  expect(await next()).toMatchObject({ kind: "lost" });
  expect(await next()).toMatchObject({ kind: "closed", cause: { code: "UNAUTHORIZED" } });
  expect(net.status).toMatchObject({ kind: "closed", cause: { code: "UNAUTHORIZED" } });
});

test("nobody takes the place of another client by knowing its incarnation", async () => {
  const { accept } = openHub({
    authenticate: async ({ credential = "" }) => ({ name: credential }),
  });
  const url = await listening(listenTcp({ port: 0 }, accept));
  const { hostname: host, port } = new URL(url.replace("tcp", "http"));
  const zeros = { float: () => 0, uint32: () => 0 };
  const still = { ...clock, nowMs: () => 0 };
  const options = (credential: string) => ({
    connect: connectTcp({ host, port: Number(port) }),
    clock: Object.assign(Object.create(clock), still),
    random: zeros,
    name: credential,
    credential,
  });
  const victim = await openHubBroker(options("victim"));
  opened.push(() => victim.close());
  await expect(openHubBroker(options("thief"))).rejects.toMatchObject({ code: "FORBIDDEN" });
  await victim.queues.declare(["still-here"]);
});

test("a host that others reach is refused without an authenticator, and tokens that can be guessed too", async () => {
  const { hub } = openHub({});
  for (const host of ["0.0.0.0", "::", "192.168.1.5", "hub.example", "128.0.0.1"]) {
    for (const listen of [listenTcp, listenWebSocket]) {
      for (const take of [hub, (link: Link) => link.destroy()]) {
        await expect(listen({ host, port: 0 }, take), host).rejects.toMatchObject({
          code: "INVALID_OPTION",
          message: expect.stringMatching(/token/),
          details: { field: "host", value: host },
        });
      }
    }
    checkExposure(host, true);
  }
  for (const host of ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "localhost"]) {
    checkExposure(host, false);
  }
  expect(asks(hub)).toBe(false);
  expect(asks(openHub({ authenticate: sharedToken(token) }).hub)).toBe(true);
  expect(() => sharedToken("short")).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
});

test("a server of one's own refuses WebSockets that come from elsewhere where nobody is asked", async () => {
  const refused = (hub: Hub, localAddress: string): Promise<string> => {
    const socket = new PassThrough();
    const request = { url: "/", headers: {}, socket: { localAddress } };
    webSocketIntake({}, hub)(request as IncomingMessage, socket, Buffer.alloc(0));
    return text(socket);
  };
  expect(await refused(openHub({}).hub, "10.1.2.3")).toMatch(/^HTTP\/1.1 403 /);
  // These get as far as being told that it is no request for a WebSocket.
  expect(await refused(openHub({}).hub, "127.0.0.1")).not.toMatch(/403/);
  const asking = openHub({ authenticate: sharedToken(token) }).hub;
  expect(await refused(asking, "10.1.2.3")).not.toMatch(/403/);
});

test("who comes with a certificate is known by its subject, over TCP and WebSockets", async () => {
  const asked: string[] = [];
  const names: (Link["certificate"] | undefined)[] = [];
  const { hub } = openHub({
    authenticate: (hello, link) => {
      names.push(link.certificate);
      return certificateIdentity(hello, link);
    },
    authorise: ({ name }) => {
      asked.push(name);
      return true;
    },
  });
  const tls = { ...hubCertificate, ca: authority };
  for (const listen of [listenTcp, listenWebSocket]) {
    const url = await listening(listen({ port: 0, tls }, hub));
    const net = await join(url.replace("127.0.0.1", "localhost"), {
      tls: { ca: authority, ...clientCertificate },
      drainOnSignals: false,
    });
    await net.close();
    expect(names.pop()).toMatchObject({
      subject: "CN=client",
      fingerprint: expect.stringMatching(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/),
    });
    expect(new Set(asked.splice(0))).toEqual(new Set(["CN=client"]));
  }
  // Without asking for certificates there are none.
  const url = await listening(listenTcp({ port: 0 }, hub));
  await expect(join(url)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
});

test("a credential that is too long is refused before it is sent", async () => {
  const connect = connectTcp({ host: "127.0.0.1", port: 1 });
  for (const credential of ["x".repeat(8_193), "€".repeat(2_731)]) {
    await expect(
      openHubBroker({ connect, clock, random, name: "client", credential }),
    ).rejects.toMatchObject({ code: "INVALID_OPTION", details: { field: "credential" } });
  }
});

const receiving = { credit: 1, consumer: "test" };

function openHub(options: Pick<HubOptions, "authenticate" | "authorise" | "limits">) {
  const broker = openMemoryBroker();
  const hub = new Hub({ broker, clock, id: "hub", ...options });
  const links: Link[] = [];
  opened.push(async () => {
    await hub.close();
    await broker.close();
  });
  const accept = (link: Link) => {
    links.push(link);
    hub.accept(link);
  };
  return { hub, accept, links };
}

async function listening(
  starting: Promise<{ address: string; close(): Promise<void> }>,
): Promise<string> {
  const listener = await starting;
  opened.push(() => listener.close());
  return listener.address;
}

async function client(url: string, credential: string): Promise<Broker> {
  const { hostname: host, port } = new URL(url.replace("tcp", "http"));
  const connect = connectTcp({ host, port: Number(port) });
  const broker = await openHubBroker({ connect, clock, random, name: credential, credential });
  opened.push(() => broker.close());
  return broker;
}

async function first<Item>(items: AsyncIterable<Item> | undefined): Promise<Item | undefined> {
  if (items !== undefined) for await (const item of items) return item;
  return undefined;
}

function message(id: string): QueuedMessage {
  return { frame: bytes(id), lane: 2, guarantee: "at-least-once", id };
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
