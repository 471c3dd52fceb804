/** One broker object's session with a real server, over connections that break. */
import { once } from "node:events";
import { type AddressInfo, createConnection } from "node:net";
import { pipeline } from "node:stream";
import { createServer as createTlsServer } from "node:tls";
import { createClient, ErrorReply } from "@redis/client";
import { afterAll, afterEach, test as anyTest, beforeAll, expect, onTestFinished } from "vitest";
import type { BrokerStatus } from "../../../src/broker/broker.ts";
import { prototypeClient } from "../../../src/broker/redis/client.ts";
import { RedisConnection } from "../../../src/broker/redis/connection.ts";
import { type RedisBrokerOptions, redisSettings } from "../../../src/broker/redis/options.ts";
import { onceScript, readScript } from "../../../src/broker/redis/script.ts";
import { ScriptLibrary } from "../../../src/broker/redis/script-library.ts";
import { type Clock, systemClock } from "../../../src/runtime/clock.ts";
import { FaultProxy, SeededRandom } from "../../../src/testing/index.ts";
import { missingServer } from "../../support/brokers.ts";
import { authority, hubCertificate } from "../../support/certificates.ts";
import { RedisServer } from "../../support/servers/redis.ts";

const test = anyTest.skipIf(missingServer("redis"));
let server: RedisServer;
beforeAll(async () => {
  if (!missingServer("redis")) server = await RedisServer.start();
});
afterAll(() => server?.remove());

const increase = onceScript("increase", "return redis.call('INCRBY', KEYS[2], ARGV[3])");
const release = onceScript("release", "return redis.call('DEL', KEYS[2])", { whenFull: true });
const look = readScript("look", "return redis.call('GET', KEYS[1])");
const library = new ScriptLibrary([], [increase, release, look]);

let prefixes = 0;
const open: RedisConnection[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((connection) => connection.close()));
});

async function connect(
  options: RedisBrokerOptions = {},
  scripts: ScriptLibrary = library,
): Promise<RedisConnection> {
  const url = options.client === undefined ? (options.url ?? server.url) : undefined;
  const prefix = `connection-${++prefixes}`;
  const checked = redisSettings({ prefix, ...options, ...(url === undefined ? {} : { url }) });
  const prototype = checked.client ?? (await prototypeClient(checked.connect ?? {}));
  const connection = new RedisConnection(checked, prototype, scripts);
  open.push(connection);
  await connection.open();
  return connection;
}

async function proxied(): Promise<FaultProxy> {
  const proxy = await FaultProxy.open({
    target: { port: server.port },
    random: new SeededRandom(1),
  });
  onTestFinished(() => proxy.close());
  return proxy;
}

function statusesOf(connection: RedisConnection): BrokerStatus["kind"][] {
  const seen: BrokerStatus["kind"][] = [];
  const run = async () => {
    for await (const { kind } of connection.statuses.read(new AbortController().signal)) {
      if (seen.at(-1) !== kind) seen.push(kind);
    }
  };
  void run();
  return seen;
}

test("commands, scripts and their answers are bytes as they were", async () => {
  const connection = await connect();
  const key = connection.names.key("x");
  const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  expect(await connection.command(["SET", key, every])).toBe("OK");
  expect(await connection.read(look, [key], [])).toEqual(every);
  expect(await connection.once(increase, [connection.names.key("n")], ["5"])).toBe(5);
});

test("a call is run once and answered, however often connections break", async () => {
  const proxy = await proxied();
  const connection = await connect({ url: `redis://127.0.0.1:${proxy.port}`, backoffMaxMs: 20 });
  const key = connection.names.key("n");
  const answers: unknown[] = [];
  for (let round = 0; round < 20; round++) {
    const calls = Array.from({ length: 25 }, () => connection.once(increase, [key], ["1"]));
    // Sometimes before the server has them, sometimes before the answers are back.
    if (round % 2 === 0) await new Promise(setImmediate);
    if (round % 4 === 0) await connection.command(["PING"]).catch(() => {});
    proxy.cut("reset");
    answers.push(...(await Promise.all(calls)));
  }
  expect(answers).toEqual(Array.from({ length: 500 }, (_, index) => index + 1));
  expect(String(await connection.read(look, [key], []))).toBe("500");
});

test("what was answered is forgotten by the server", async () => {
  const connection = await connect();
  const key = connection.names.key("n");
  for (let count = 0; count < 50; count++) await connection.once(increase, [key], ["1"]);
  const kept = await connection.command(["HLEN", connection.names.key("c", connection.session)]);
  // The last answer, and the number of the link.
  expect(kept).toBe(2);
  const left = await connection.command(["PTTL", connection.names.key("c", connection.session)]);
  expect(left).toBeGreaterThan(0);
});

test("calls wait while there is no server, and go on when it is back", async () => {
  const own = await RedisServer.start();
  onTestFinished(() => own.remove());
  const connection = await connect({ url: own.url });
  const seen = statusesOf(connection);
  const key = connection.names.key("n");
  await connection.once(increase, [key], ["1"]);
  await own.kill();
  const waiting = Promise.all([1, 2, 3].map(() => connection.once(increase, [key], ["1"])));
  await own.start();
  expect(await waiting).toEqual([2, 3, 4]);
  expect(seen).toEqual(["ready", "lost", "ready"]);
});

test("a server that answers nothing any more is given up", async () => {
  const own = await RedisServer.start();
  onTestFinished(() => own.remove());
  // Longer than it is silent by itself while it begins.
  const connection = await connect({ url: own.url, silenceMs: 2_000 });
  const lost = connection.link?.lost;
  own.pause();
  const waiting = connection.command(["PING"]);
  expect(String(await lost)).toContain("silent for 2000 ms");
  own.resume();
  expect(await waiting).toBe("PONG");
});

test("a silent server is given up also while it is connected to", async () => {
  const proxy = await proxied();
  proxy.admission = "half-open";
  const url = `redis://127.0.0.1:${proxy.port}`;
  const opening = connect({ url, connectTimeoutMs: 100 });
  await expect(opening).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
});

test("a library that the server has forgotten is loaded again", async () => {
  const connection = await connect();
  await connection.command(["FUNCTION", "FLUSH"]);
  const key = connection.names.key("n");
  const calls = [1, 2].map(() => connection.once(increase, [key], ["1"]));
  expect(await Promise.all(calls)).toEqual([1, 2]);
  await connection.command(["FUNCTION", "FLUSH"]);
  expect(String(await connection.read(look, [key], []))).toBe("2");
});

test("what is on its way when the server loses its functions keeps its order", async () => {
  const proxy = await proxied();
  const connection = await connect({ url: `redis://127.0.0.1:${proxy.port}`, backoffMaxMs: 20 });
  const admin = await connect();
  const key = connection.names.key("n");
  const answers: Promise<unknown>[] = [];
  const call = () => void answers.push(connection.once(increase, [key], ["1"]));
  // Whatever the server says comes in pieces, so that more is asked between two of its answers.
  proxy.set("to-client", { chunks: "bytes" });
  for (let round = 0; round < 3; round++) {
    await admin.command(["FUNCTION", "FLUSH"]);
    for (let count = 0; count < 50; count++) {
      call();
      await new Promise(setImmediate);
    }
    proxy.set("to-client", {});
    await Promise.all(answers);
    proxy.set("to-client", { chunks: "bytes" });
  }
  expect(await Promise.all(answers)).toEqual(Array.from({ length: 150 }, (_, index) => index + 1));
});

test("two versions of a library serve beside each other", async () => {
  const double = onceScript("increase", "return redis.call('INCRBY', KEYS[2], 2 * ARGV[3])");
  const [one, other] = [await connect(), await connect({}, new ScriptLibrary([], [double]))];
  const key = "{shared}:n";
  expect(await one.once(increase, [key], ["1"])).toBe(1);
  expect(await other.once(double, [key], ["1"])).toBe(3);
  expect(await one.once(increase, [key], ["1"])).toBe(4);
});

test("a library is kept with the data of the server", async () => {
  const own = await RedisServer.start();
  onTestFinished(() => own.remove());
  const connection = await connect({ url: own.url });
  const key = connection.names.key("n");
  await connection.once(increase, [key], ["1"]);
  const libraries = () => connection.command(["FUNCTION", "LIST"]) as Promise<readonly unknown[]>;
  expect(await libraries()).toHaveLength(1);
  await own.kill();
  await own.start();
  expect(await libraries()).toHaveLength(1);
  expect(await connection.once(increase, [key], ["1"])).toBe(2);
});

test("whoever may not load a library runs its scripts as texts, in order", async () => {
  const own = await RedisServer.start();
  onTestFinished(() => own.remove());
  const admin = await connect({ url: own.url });
  const user = ["ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-function"];
  await admin.command(user);
  await admin.command(["FUNCTION", "FLUSH"]);
  const connection = await connect({ url: own.url, username: "app", password: "secret" });
  const key = connection.names.key("n");
  const calls = Array.from({ length: 100 }, () => connection.once(increase, [key], ["1"]));
  expect(await Promise.all(calls)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
  expect(String(await connection.read(look, [key], []))).toBe("100");
  expect(await admin.command(["FUNCTION", "LIST"])).toEqual([]);
});

test("whoever gives up is told so at once, and what was on its way is not repeated", async () => {
  const connection = await connect();
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = connection.command(["BLPOP", connection.names.key("none"), "0"], { signal });
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ code: "CANCELLED" });
  await expect(connection.command(["PING"], { signal })).rejects.toMatchObject({
    code: "CANCELLED",
  });
});

test("after close everything is refused, and what waits has ended", async () => {
  const proxy = await proxied();
  const connection = await connect({ url: `redis://127.0.0.1:${proxy.port}` });
  const seen = statusesOf(connection);
  proxy.admission = "refuse";
  proxy.cut();
  const asked = connection.once(increase, [connection.names.key("n")], ["1"]);
  await connection.link?.lost;
  const waiting = connection.once(increase, [connection.names.key("n")], ["1"]);
  const refused = Promise.all([
    expect(asked).rejects.toMatchObject({ code: "INDETERMINATE" }),
    expect(waiting).rejects.toMatchObject({ code: "CLOSED" }),
  ]);
  await Promise.all([connection.close(), connection.close()]);
  await refused;
  await expect(connection.command(["PING"])).rejects.toMatchObject({ code: "CLOSED" });
  await expect.poll(() => seen.at(-1)).toBe("closed");
});

test("what is on its way when the broker is closed is answered first", async () => {
  // That closing does not wait for long is not what this is about.
  const setTimer: Clock["setTimer"] = (delayMs, run) => systemClock.setTimer(60 * delayMs, run);
  const connection = await connect({ clock: { ...systemClock, setTimer } });
  const calls = Array.from({ length: 100 }, () =>
    connection.once(increase, [connection.names.key("n")], ["1"]),
  );
  await connection.close();
  expect((await Promise.all(calls)).at(-1)).toBe(100);
});

test("a server that is not there is told as that", async () => {
  // No system gives that port away.
  await expect(connect({ url: "redis://127.0.0.1:1" })).rejects.toMatchObject({
    code: "AGENT_UNREACHABLE",
    message: expect.stringContaining("ECONNREFUSED"),
  });
});

test("a password that is missing or wrong is told as that", async () => {
  const own = await RedisServer.start({ requirepass: "secret" });
  onTestFinished(() => own.remove());
  await expect(connect({ url: own.url })).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  const wrong = connect({ url: own.url, password: "other" });
  await expect(wrong).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  const connection = await connect({ url: own.url, password: "secret" });
  expect(await connection.command(["PING"])).toBe("PONG");
});

test("TLS goes by the authority that is given, and refuses others", async () => {
  const front = createTlsServer(hubCertificate);
  front.on("secureConnection", (client) => {
    const upstream = createConnection({ port: server.port, host: "127.0.0.1" });
    pipeline(client, upstream, client, () => {});
  });
  front.listen(0, "127.0.0.1");
  await once(front, "listening");
  onTestFinished(() => void front.close());
  const { port } = front.address() as AddressInfo;
  const url = `rediss://127.0.0.1:${port}`;
  const connection = await connect({ url, tls: { ca: authority } });
  expect(await connection.command(["PING"])).toBe("PONG");
  await expect(connect({ url })).rejects.toMatchObject({
    code: "AGENT_UNREACHABLE",
    details: { fix: expect.stringMatching("tls: { ca }") },
  });
  // TLS is spoken there, and was not asked for.
  const inTheClear = connect({ url: url.replace("rediss:", "redis:") });
  await expect(inTheClear).rejects.toMatchObject({
    code: "AGENT_UNREACHABLE",
    details: { fix: expect.stringMatching("rediss://") },
  });
});

test("a full server refuses what makes it fuller, and takes what makes room", async () => {
  const own = await RedisServer.start();
  onTestFinished(() => own.remove());
  const connection = await connect({ url: own.url });
  const key = connection.names.key("big");
  await connection.command(["SET", key, Buffer.alloc(4_000_000)]);
  await connection.command(["CONFIG", "SET", "maxmemory", "2mb"]);
  const refused = connection.once(increase, [connection.names.key("n")], ["1"]);
  await expect(refused).rejects.toMatchObject({ code: "QUEUE_FULL", retryable: true });
  // There is no room for the library either.
  await connection.command(["FUNCTION", "FLUSH"]);
  const again = connection.once(increase, [connection.names.key("n")], ["1"]);
  await expect(again).rejects.toMatchObject({ code: "QUEUE_FULL", retryable: true });
  expect(await connection.once(release, [key], [])).toBe(1);
  await connection.command(["CONFIG", "SET", "maxmemory", "0"]);
  expect(await connection.once(increase, [connection.names.key("n")], ["1"])).toBe(1);
});

test("calls may not wait without bound; what writes waits for room, in order", async () => {
  const proxy = await proxied();
  const url = `redis://127.0.0.1:${proxy.port}`;
  const connection = await connect({ url, callBytesMax: 1_000 });
  proxy.admission = "refuse";
  proxy.cut();
  await connection.link?.lost;
  const { names } = connection;
  const large = connection.command(["SET", names.key("x"), Buffer.alloc(5_000)]);
  const more = connection.command(["SET", names.key("x"), "y"]);
  await expect(more).rejects.toMatchObject({ code: "QUEUE_FULL" });
  const given = new AbortController();
  const calls = [100, 600, 100, 2_000, 100, 600].map((bytes, at) => {
    const { signal } = at === 2 ? given : new AbortController();
    const parameters = ["1", Buffer.alloc(bytes)];
    return connection.once(increase, [names.key("n")], parameters, { signal });
  });
  const settling = Promise.allSettled(calls);
  given.abort();
  proxy.admission = "open";
  expect(await large).toBe("OK");
  const settled = await settling;
  expect(settled.map((each) => (each.status === "fulfilled" ? each.value : "given up"))).toEqual([
    1,
    2,
    "given up",
    3,
    4,
    5,
  ]);
  // Nothing is left of them.
  expect(await connection.command(["SET", names.key("x"), Buffer.alloc(900)])).toBe("OK");
});

test("who waits for room when the broker is closed is told so", async () => {
  const proxy = await proxied();
  const connection = await connect({ url: `redis://127.0.0.1:${proxy.port}`, callBytesMax: 100 });
  proxy.admission = "refuse";
  proxy.cut();
  await connection.link?.lost;
  const key = connection.names.key("n");
  const calls = [1, 2].map(() => connection.once(increase, [key], ["1", Buffer.alloc(200)]));
  const refused = calls.map((call) => expect(call).rejects.toMatchObject({ code: "CLOSED" }));
  await connection.close();
  await Promise.all(refused);
});

test("a client that is handed in is left as it is", async () => {
  const client = createClient({ url: server.url, name: "mine" });
  client.on("error", () => {});
  await client.connect();
  onTestFinished(() => client.destroy());
  const connection = await connect({ client, name: "who asks" });
  expect(await connection.command(["CLIENT", "GETNAME"])).toEqual(Buffer.from("colloquy:who_asks"));
  await connection.close();
  expect(await client.clientGetName()).toBe("mine");
});

test("what the server refuses rejects, and the connection stays", async () => {
  const connection = await connect();
  const link = connection.link;
  const refused = connection.command(["GET"]);
  await expect(refused).rejects.toMatchObject({
    code: "INTERNAL_ERROR",
    cause: expect.any(ErrorReply),
  });
  expect(connection.link).toBe(link);
});
