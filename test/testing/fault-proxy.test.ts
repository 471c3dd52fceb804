/** The proxy before a plain listener, and before a hub whose clients must not mind. Real sockets. */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import {
  type AddressInfo,
  createConnection,
  createServer,
  type Server,
  type Socket,
} from "node:net";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { join, type Network } from "colloquy";
import { connectUnix, Hub, listenUnix, openHubBroker, systemClock } from "colloquy/hub";
import { FaultProxy, openMemoryBroker, SeededRandom } from "colloquy/testing";
import { afterEach, describe, expect, test } from "vitest";
import { systemRandom } from "../../src/runtime/random.ts";
import { changesOf } from "../support/status-changes.ts";

const clean: (() => Promise<unknown> | undefined)[] = [];

afterEach(async () => {
  for (const step of clean.splice(0).reverse()) await step();
});

async function echo(): Promise<FaultProxy> {
  const server: Server = createServer((socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const proxy = await FaultProxy.open({ target: { port }, random: new SeededRandom(3) });
  clean.push(
    async () => server.close(),
    () => proxy.close(),
  );
  return proxy;
}

async function dial(proxy: FaultProxy): Promise<Socket> {
  const socket = createConnection({ port: proxy.port, host: "127.0.0.1" });
  await once(socket, "connect");
  clean.push(async () => socket.destroy());
  return socket;
}

async function read(socket: Socket, length: number): Promise<string> {
  let text = "";
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += String(chunk);
    if (text.length >= length) break;
  }
  return text;
}

describe("before any listener", () => {
  test("bytes pass in order, one at a time, late and slowly", async () => {
    const proxy = await echo();
    proxy.set("to-target", { chunks: "bytes" });
    proxy.set("to-client", { chunks: "anywhere", delayMs: 2, bytesPerMs: 50 });
    const socket = await dial(proxy);
    const sent = "a message of some bytes, ".repeat(20);
    socket.write(sent);
    expect(await read(socket, sent.length)).toBe(sent);
  });

  test("a stalled direction holds what was sent until it is healed", async () => {
    const proxy = await echo();
    proxy.set("to-client", { stalled: true });
    const socket = await dial(proxy);
    socket.write("late");
    const other = await dial(proxy);
    other.write("x");
    expect([socket.bytesRead, other.bytesRead]).toEqual([0, 0]);
    proxy.set("to-client", {});
    expect(await read(socket, 4)).toBe("late");
  });

  test("a cut is an end or a reset, and a connection refused is told from one half-open", async () => {
    const proxy = await echo();
    const ended = await dial(proxy);
    ended.write("x");
    await read(ended, 1);
    ended.resume();
    proxy.cut("fin");
    await once(ended, "end");
    const broken = await dial(proxy);
    broken.write("x");
    await read(broken, 1);
    proxy.cut("reset");
    const [error] = await once(broken, "error");
    expect(error).toMatchObject({ code: "ECONNRESET" });
    proxy.admission = "half-open";
    const open = await dial(proxy);
    open.write("anybody?");
    // Taken by now, and not by the time when the next are refused.
    await expect.poll(() => proxy.accepted).toBe(3);
    proxy.admission = "refuse";
    const refused = createConnection({ port: proxy.port, host: "127.0.0.1" });
    refused.on("error", () => {});
    refused.resume();
    await new Promise((resolve) => refused.once("close", resolve));
    expect([open.destroyed, open.bytesRead]).toEqual([false, 0]);
  });

  test("a byte is dropped, doubled or changed, and only one", async () => {
    const proxy = await echo();
    const socket = await dial(proxy);
    const heard: string[] = [];
    for (const [fault, length] of [
      ["drop-byte", 9],
      ["duplicate-byte", 11],
      ["corrupt-byte", 10],
    ] as const) {
      socket.write("x");
      await read(socket, 1);
      proxy.inject("to-target", fault);
      socket.write("0123456789");
      heard.push(await read(socket, length));
    }
    expect(heard.map((text) => text.length)).toEqual([9, 11, 10]);
    expect(heard).not.toContain("0123456789");
  });
});

/** A hub, a worker that comes in directly, and a boss whose way leads through the proxy. */
async function fabric(limits: { silenceMsMax?: number } = {}) {
  const folder = await mkdtemp(joinPath(tmpdir(), "proxy-"));
  const [path, front] = [joinPath(folder, "hub"), joinPath(folder, "front")];
  const broker = openMemoryBroker({ clock: systemClock });
  const hub = new Hub({ broker, clock: systemClock, id: "hub", limits });
  const listener = await listenUnix(path, (link) => hub.accept(link));
  const random = new SeededRandom(5);
  const proxy = await FaultProxy.open({ target: { path }, listen: { path: front }, random });
  const enter = async (name: string, at: string): Promise<Network> => {
    const common = { clock: systemClock, random: systemRandom, name };
    const connect = connectUnix(at);
    const hubBroker = await openHubBroker({
      ...common,
      connect,
      limits: { welcomeTimeoutMs: 100, backoffMaxMs: 50 },
    });
    return join({ broker: hubBroker, drainOnSignals: false });
  };
  const [there, here] = [await enter("there", path), await enter("here", front)];
  const worker = await there.agent("worker");
  const starts = new Map<number, number>();
  worker.handle("COUNT", (input) => {
    const number = input as number;
    starts.set(number, (starts.get(number) ?? 0) + 1);
    return number;
  });
  worker.handle("ask", (input) => input);
  worker.handle("tell", async function* (input) {
    for (let chunk = 0; chunk < (input as number); chunk++) yield chunk;
  });
  await worker.ready();
  const boss = await here.agent("boss");
  const news: unknown[] = [];
  await boss.subscribe("news", (data) => {
    news.push(data);
  });
  clean.push(
    () => rm(folder, { recursive: true }),
    () => broker.close(),
    () => hub.close(),
    () => listener.close(),
    () => proxy.close(),
    () => there.close(),
    () => here.close(),
  );
  const statuses: string[] = [];
  void (async () => {
    for await (const { kind } of changesOf(here)) statuses.push(kind);
  })();
  return { proxy, worker, boss, starts, news, statuses, here };
}

type Fabric = Awaited<ReturnType<typeof fabric>>;

/** Commands, requests and a stream while `disturb` runs: all arrive, once. */
async function allArrives(
  { worker, boss, starts, news }: Fabric,
  disturb: () => void,
): Promise<void> {
  const numbers = Array.from({ length: 60 }, (_, index) => index);
  const reply = boss.stream("agent:worker", "tell", 40, { window: 4 });
  const chunks: unknown[] = [];
  for await (const chunk of reply) {
    chunks.push(chunk);
    if (chunks.length === 10) break;
  }
  const sending = numbers.map(async (number) => {
    const receipt = await boss.send("agent:worker", "COUNT", number);
    return receipt.settled();
  });
  const asking = numbers.map((number) => boss.request("agent:worker", "ask", number));
  disturb();
  const [outcomes, answers] = await Promise.all([Promise.all(sending), Promise.all(asking)]);
  expect(outcomes).toEqual(numbers.map((result) => ({ state: "done", result })));
  expect(answers).toEqual(numbers);
  expect([...starts.values()]).toEqual(numbers.map(() => 1));
  // Subscribed again: what is published now is heard.
  await worker.publish("news", "after");
  await expect.poll(() => news).toContain("after");
}

describe("before a hub", () => {
  const faults: Readonly<Record<string, (proxy: FaultProxy) => void>> = {
    "cut in order": (proxy) => proxy.cut("fin"),
    reset: (proxy) => proxy.cut("reset"),
    "with a damaged frame to the hub": (proxy) => proxy.inject("to-target", "corrupt-head"),
    "with a damaged frame from the hub": (proxy) => proxy.inject("to-client", "corrupt-head"),
  };
  for (const [name, fault] of Object.entries(faults)) {
    test(`a link ${name}: nothing is lost, nothing is double, and it is told`, async () => {
      const world = await fabric();
      await allArrives(world, () => fault(world.proxy));
      expect(world.statuses).toEqual(["ready", "lost", "ready"]);
      expect(world.proxy.accepted).toBe(2);
    });
  }

  test("a link that is cut after every byte works as ever", async () => {
    const world = await fabric();
    for (const direction of ["to-target", "to-client"] as const) {
      world.proxy.set(direction, { chunks: "bytes" });
    }
    await allArrives(world, () => {});
    expect(world.statuses).toEqual(["ready"]);
  });

  for (const direction of ["to-target", "to-client"] as const) {
    test(`a link stalled ${direction} is noticed by its silence, and left`, async () => {
      const world = await fabric({ silenceMsMax: 600 });
      await allArrives(world, () => {
        world.proxy.set(direction, { stalled: true });
        void (async () => {
          for await (const { kind } of world.here.statuses(new AbortController().signal)) {
            if (kind === "lost") break;
          }
          world.proxy.set(direction, {});
        })();
      });
      expect(world.statuses.slice(0, 2)).toEqual(["ready", "lost"]);
      expect(world.here.status.kind).toBe("ready");
    });
  }
});
