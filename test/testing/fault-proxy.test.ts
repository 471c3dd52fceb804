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
import { fileURLToPath } from "node:url";
import { join, type Network } from "colloquy";
import { connectUnix, Hub, listenUnix, openHubBroker, systemClock } from "colloquy/hub";
import { FaultProxy, openMemoryBroker, SeededRandom } from "colloquy/testing";
import { afterEach, describe, expect, test } from "vitest";
import { readNumbered, writeNumbered } from "../../src/broker/hub/operations/numbered.ts";
import { frameTypes } from "../../src/message/frame.ts";
import { FrameParser } from "../../src/message/frame-parser.ts";
import { FrameWriter } from "../../src/message/frame-writer.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import { runNode } from "../support/run-node.ts";
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

/** Frames of ours, told apart by their numbers. */
function frames(...numbers: readonly number[]): Uint8Array {
  const writer = new FrameWriter();
  for (const number of numbers) writeNumbered(writer, frameTypes.PING, number);
  return writer.take().slice();
}

async function readFrames(socket: Socket, count: number): Promise<readonly number[]> {
  const numbers: number[] = [];
  const parser = new FrameParser();
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    parser.push(new Uint8Array(chunk), (frame) => numbers.push(readNumbered(frame)));
    if (numbers.length >= count) break;
  }
  return numbers;
}

describe("frames", () => {
  const played = {
    "drop-frame": [3, 4],
    "duplicate-frame": [2, 2, 3, 4],
    "reorder-frames": [3, 2, 4],
  } as const;
  for (const [fault, expected] of Object.entries(played) as unknown as readonly (readonly [
    keyof typeof played,
    readonly number[],
  ])[]) {
    for (const direction of ["to-target", "to-client"] as const) {
      test(`${fault} ${direction}: once, whole, and nothing else`, async () => {
        const proxy = await echo();
        const socket = await dial(proxy);
        socket.write(frames(1));
        expect(await readFrames(socket, 1)).toEqual([1]);
        proxy.inject(direction, fault);
        expect(proxy.waitingFaults).toBe(1);
        socket.write(frames(2, 3, 4));
        expect(await readFrames(socket, expected.length)).toEqual(expected);
        expect(proxy.waitingFaults).toBe(0);
        socket.write(frames(5));
        expect(await readFrames(socket, 1)).toEqual([5]);
      });
    }
  }

  test("a fault waits for the end of a frame that has begun, and finds the next however it is cut", async () => {
    const proxy = await echo();
    const socket = await dial(proxy);
    socket.setNoDelay(true);
    const [begun, rest] = [frames(1).subarray(0, 7), frames(1).subarray(7)];
    socket.write(begun);
    await expect.poll(() => proxy.passed("to-target")).toBe(7);
    proxy.inject("to-target", "drop-frame");
    socket.write(rest);
    for (const byte of frames(2, 3)) socket.write(Uint8Array.of(byte));
    expect(await readFrames(socket, 2)).toEqual([1, 3]);
  });

  test("faults are played one after the other, each on the frame that is next", async () => {
    const proxy = await echo();
    const socket = await dial(proxy);
    for (const fault of ["drop-frame", "duplicate-frame", "reorder-frames"] as const) {
      proxy.inject("to-target", fault);
    }
    socket.write(frames(1, 2, 3, 4, 5));
    expect(await readFrames(socket, 5)).toEqual([2, 2, 4, 3, 5]);
  });

  test("a corrupted head is another version, and its frame is otherwise as it was", async () => {
    const proxy = await echo();
    const socket = await dial(proxy);
    proxy.inject("to-client", "corrupt-head");
    const sent = frames(1, 2);
    socket.write(sent);
    let heard = Buffer.alloc(0);
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      heard = Buffer.concat([heard, chunk]);
      if (heard.length === sent.length) break;
    }
    expect([...heard]).toEqual([(sent[0] as number) ^ 0xff, ...sent.subarray(1)]);
  });

  test("a black hole swallows one direction only, and what it swallowed never comes", async () => {
    const proxy = await echo();
    const socket = await dial(proxy);
    socket.write("before");
    expect(await read(socket, 6)).toBe("before");
    proxy.set("to-client", { blackHole: true });
    socket.write("swallowed on its way back");
    // The other way it passed: the proxy has written it, and nothing else.
    await expect.poll(() => proxy.passed("to-target")).toBe(6 + 25);
    await expect.poll(() => proxy.swallowed("to-client")).toBe(25);
    proxy.set("to-client", {});
    socket.write("after");
    expect(await read(socket, 5)).toBe("after");
    proxy.set("to-target", { blackHole: true });
    socket.write("swallowed on its way there");
    await expect.poll(() => proxy.swallowed("to-target")).toBe(26);
    proxy.set("to-target", {});
    socket.write("again");
    expect(await read(socket, 5)).toBe("again");
    expect(socket.destroyed).toBe(false);
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
      limits: { welcomeTimeoutMs: 10_000, backoffMaxMs: 50 },
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
  streamMay: "go on" | "be cut" = "go on",
): Promise<void> {
  const numbers = Array.from({ length: 60 }, (_, index) => index);
  const reply = boss.stream("agent:worker", "tell", 40, { window: 4 })[Symbol.asyncIterator]();
  const chunks: unknown[] = [];
  while (chunks.length < 10) chunks.push((await reply.next()).value);
  const sending = numbers.map(async (number) => {
    const receipt = await boss.send("agent:worker", "COUNT", number);
    return receipt.settled();
  });
  const asking = numbers.map((number) => boss.request("agent:worker", "ask", number));
  disturb();
  try {
    while (chunks.length < 40) chunks.push((await reply.next()).value);
  } catch (error) {
    // A hub takes whoever is silent for too long for dead, and the worker stops telling it.
    if (streamMay === "go on") throw error;
    expect(error).toMatchObject({ code: "STREAM_CUT", details: { received: chunks.length } });
  }
  expect(chunks).toEqual(Array.from({ length: chunks.length }, (_, index) => index));
  const [outcomes, answers] = await Promise.all([Promise.all(sending), Promise.all(asking)]);
  expect(outcomes).toEqual(numbers.map((result) => ({ state: "done", result })));
  expect(answers).toEqual(numbers);
  expect([...starts.values()]).toEqual(numbers.map(() => 1));
  // Subscribed again. A link that breaks only now may take one with it.
  const published = async () => {
    await worker.publish("news", "after");
    return news;
  };
  await expect.poll(published).toContain("after");
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

  for (const fault of ["drop-frame", "duplicate-frame", "reorder-frames"] as const) {
    for (const direction of ["to-target", "to-client"] as const) {
      test(`${fault} ${direction}, and then a cut: nothing is lost, nothing is double`, async () => {
        const world = await fabric();
        let cutting: Promise<void> | undefined;
        await allArrives(world, () => {
          world.proxy.inject(direction, fault);
          cutting = (async () => {
            // Also when the fault itself has ended the link.
            await expect.poll(() => world.proxy.waitingFaults).toBe(0);
            world.proxy.cut("reset");
          })();
        });
        await cutting;
        await expect.poll(() => world.proxy.accepted).toBeGreaterThan(1);
        await expect.poll(() => world.here.status.kind).toBe("ready");
      });
    }
  }

  const silences = { stalled: { stalled: true }, "in a black hole": { blackHole: true } } as const;
  for (const [name, direction] of Object.keys(silences).flatMap((silence) => [
    [silence as keyof typeof silences, "to-target"] as const,
    [silence as keyof typeof silences, "to-client"] as const,
  ])) {
    test(`a link ${name} ${direction} is noticed by its silence, and left`, async () => {
      const world = await fabric({ silenceMsMax: 600 });
      await allArrives(
        world,
        () => {
          world.proxy.set(direction, silences[name]);
          void (async () => {
            for await (const { kind } of world.here.statuses(new AbortController().signal)) {
              if (kind === "lost") break;
            }
            world.proxy.set(direction, {});
          })();
        },
        "be cut",
      );
      expect(world.statuses.slice(0, 2)).toEqual(["ready", "lost"]);
      expect(world.here.status.kind).toBe("ready");
    });
  }
});

test("a connection that is reset while it ends does not keep its process from ending", async () => {
  const run = await runNode(fileURLToPath(new URL("programs/cut-twice.ts", import.meta.url)), {
    workingDirectory: tmpdir(),
    timeoutMs: 50_000,
  });
  expect(run).toEqual({ exitCode: 0, stdout: "", stderr: "" });
});
