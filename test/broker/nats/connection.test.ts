/** One connection to a real server: streams, requests, writing and reading, what a lost server does to it. */
import { once } from "node:events";
import { type AddressInfo, createConnection, createServer, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, test as anyTest, expect, onTestFinished } from "vitest";
import { NatsLink } from "../../../src/broker/nats/connection.ts";
import { lastOf, publish, publishBatch, readPage } from "../../../src/broker/nats/jetstream.ts";
import { type NatsBrokerOptions, natsSettings } from "../../../src/broker/nats/options.ts";
import { missingServer } from "../../support/brokers.ts";
import { authority, clientCertificate } from "../../support/certificates.ts";
import { NatsServer, type NatsServerSettings } from "../../support/servers/nats.ts";

const isMissing = missingServer("nats");
const test = anyTest.skipIf(isMissing);
const shared = isMissing ? undefined : await NatsServer.start();
afterAll(() => shared?.remove());
let prefixes = 0;

async function open(options: NatsBrokerOptions = {}, server = shared): Promise<NatsLink> {
  if (server === undefined) throw new Error("no server");
  const prefix = `connection-${++prefixes}`;
  const link = await NatsLink.open(natsSettings({ servers: server.url, prefix, ...options }));
  onTestFinished(() => link.close());
  return link;
}

async function start(settings: NatsServerSettings = {}): Promise<NatsServer> {
  const server = await NatsServer.start(settings);
  onTestFinished(() => server.remove());
  return server;
}

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

test("what was published is the last of its subject, under the acknowledged sequence", async () => {
  const link = await open();
  const subject = link.names.entry("state", "a/b");
  const { seq } = await publish(
    link,
    { subject, payload: bytes("1"), headers: { X: "y" } },
    "test",
  );
  const [found, none] = await lastOf(link, "state", [subject, link.names.entry("state", "no")]);
  expect(none).toBeUndefined();
  expect(found).toMatchObject({ subject, seq });
  expect(text(found?.data ?? bytes(""))).toBe("1");
  expect(found?.header("X")).toBe("y");
  expect(Math.abs((found?.atMs ?? 0) - link.serverNowMs())).toBeLessThan(60_000);
});

test("an expected sequence that is not the last is a conflict", async () => {
  const link = await open();
  const subject = link.names.entry("state", "a");
  const expecting = (seq: number) =>
    publish(
      link,
      {
        subject,
        payload: bytes("x"),
        headers: { "Nats-Expected-Last-Subject-Sequence": `${seq}` },
      },
      "test",
    );
  const { seq } = await expecting(0);
  await expect(expecting(0)).rejects.toMatchObject({ code: "CONFLICT" });
  await expecting(seq);
});

test("a batch is stored as a whole, or not at all", async () => {
  const link = await open();
  const subject = (name: string) => link.names.entry("state", name);
  const message = (name: string, expected?: number) => ({
    subject: subject(name),
    payload: bytes(name),
    ...(expected === undefined
      ? {}
      : { headers: { "Nats-Expected-Last-Subject-Sequence": `${expected}` } }),
  });
  const { seq } = await publishBatch(link, [message("a", 0), message("b"), message("c")], "test");
  const stored = await lastOf(link, "state", ["a", "b", "c"].map(subject));
  expect(stored.map((each) => each?.seq)).toEqual([seq - 2, seq - 1, seq]);
  const refused = publishBatch(link, [message("d"), message("a", 0)], "test");
  await expect(refused).rejects.toMatchObject({ code: "CONFLICT" });
  expect(await lastOf(link, "state", [subject("d")])).toEqual([undefined]);
  const long = Array.from({ length: 1_001 }, (_, index) => message(`n${index}`));
  await expect(publishBatch(link, long, "test")).rejects.toMatchObject({
    code: "MESSAGE_TOO_LARGE",
  });
});

test("more batches at once than a server takes all come to their end", async () => {
  const link = await open();
  const batches = Array.from({ length: 120 }, (_, index) =>
    publishBatch(
      link,
      ["x", "y"].map((part) => ({
        subject: link.names.entry("volatile", `${index}/${part}`),
        payload: bytes(part),
      })),
      "test",
    ),
  );
  expect(await Promise.all(batches)).toHaveLength(120);
});

test("pages go on until nothing is pending", async () => {
  const link = await open();
  const count = 1_300;
  await Promise.all(
    Array.from({ length: count }, (_, index) =>
      publish(
        link,
        { subject: link.names.entry("volatile", `k/${index}`), payload: bytes("x") },
        "test",
      ),
    ),
  );
  let found = 0;
  for (let from = 1, pending = 1; pending > 0; ) {
    const page = await readPage(link, "volatile", link.names.entries("volatile", "k/"), from);
    found += page.messages.length;
    from = (page.messages.at(-1)?.seq ?? 0) + 1;
    pending = page.pending;
  }
  expect(found).toBe(count);
  const none = await readPage(link, "volatile", link.names.entries("volatile", "none/"), 1);
  expect(none).toEqual({ messages: [], pending: 0 });
});

test("a second connection finds the streams of the first", async () => {
  const first = await open();
  const second = await open({ prefix: first.names.prefix });
  expect(second.facts.streams.state.created).toBe(first.facts.streams.state.created);
});

test("what is asked while the server is away waits for it; what is volatile is gone then", async () => {
  const server = await start();
  const link = await open({ prefix: "restarted" }, server);
  const statuses: string[] = [];
  const following = (async () => {
    for await (const { kind } of link.statuses.read(new AbortController().signal)) {
      if (kind !== statuses.at(-1)) statuses.push(kind);
    }
  })();
  const hard = link.names.entry("state", "k");
  const soft = link.names.entry("volatile", "k");
  const { seq } = await publish(link, { subject: hard, payload: bytes("1") }, "test");
  const before = await publish(link, { subject: soft, payload: bytes("1") }, "test");
  await server.kill();
  const asked = publish(link, { subject: hard, payload: bytes("2") }, "test");
  await server.start();
  expect((await asked).seq).toBe(seq + 1);
  expect(await lastOf(link, "volatile", [soft])).toEqual([undefined]);
  const after = await publish(link, { subject: soft, payload: bytes("1") }, "test");
  expect(after.seq).toBeGreaterThan(before.seq);
  await link.close();
  await following;
  expect(statuses).toEqual(["ready", "lost", "ready", "closed"]);
});

test("a server that is about to stop is left, and what is asked meanwhile waits for the next", async () => {
  // It keeps its clients much longer than this test takes.
  const more = 'lame_duck_duration: "300s"\nlame_duck_grace_period: "200s"';
  const server = await start({ more });
  const link = await open({ backoffMaxMs: 100 }, server);
  const subject = link.names.entry("state", "k");
  server.signal("SIGUSR2");
  await expect.poll(() => link.isReady, { timeout: 30_000 }).toBe(false);
  const asked = publish(link, { subject, payload: bytes("1") }, "x");
  await server.kill();
  await server.start();
  expect(await asked).toMatchObject({ seq: 1 });
}, 60_000);

test("closing while the server is away ends everything that waits", async () => {
  const server = await start();
  const link = await open({}, server);
  await server.kill();
  const asked = publish(
    link,
    { subject: link.names.entry("state", "k"), payload: bytes("1") },
    "x",
  );
  const refused = expect(asked).rejects.toMatchObject({ code: "CLOSED" });
  await link.close();
  await refused;
  await expect(link.flush()).rejects.toMatchObject({ code: "CLOSED" });
});

test("a server without JetStream is refused with the setting that is missing", async () => {
  const server = await start({ jetstream: false });
  await expect(open({}, server)).rejects.toMatchObject({
    code: "UNSUPPORTED",
    message: expect.stringContaining("jetstream {"),
  });
});

test("nobody there, and somebody who must not come in, are told apart", async () => {
  const server = await start({ more: 'authorization { user: "a", password: "b" }' });
  await expect(open({ user: "a", pass: "wrong" }, server)).rejects.toMatchObject({
    code: "UNAUTHORIZED",
  });
  await open({ servers: server.url.replace("//", "//a:b@") });
  await server.kill();
  await expect(open({ user: "a", pass: "b" }, server)).rejects.toMatchObject({
    code: "AGENT_UNREACHABLE",
  });
});

test("TLS is spoken with a server that is who it says, and with no other", async () => {
  const folder = fileURLToPath(new URL("../../support/certificates/", import.meta.url));
  const server = await start({
    more: `tls { cert_file: "${folder}hub.crt", key_file: "${folder}hub.key" }`,
  });
  const servers = `tls://localhost:${server.port}`;
  const link = await open({ servers, tls: { ca: authority }, prefix: "tls" });
  const { seq } = await publish(
    link,
    { subject: link.names.entry("state", "k"), payload: bytes("1") },
    "test",
  );
  expect(seq).toBe(1);
  // A host that is an address is checked as one.
  const byAddress = await open({ servers: server.url, tls: { ca: authority }, prefix: "tls" });
  expect(byAddress.isReady).toBe(true);
  await expect(open({ servers: server.url, prefix: "tls" })).rejects.toMatchObject({
    code: "AGENT_UNREACHABLE",
    details: { fix: expect.stringMatching("the server asks for TLS") },
  });
  const untrusting = open({ servers: server.url.replace("nats:", "tls:"), prefix: "tls" });
  await expect(untrusting).rejects.toMatchObject({
    code: "AGENT_UNREACHABLE",
    message: expect.stringMatching(/certificate/),
    details: { fix: expect.stringMatching("tls: { ca }") },
  });
  await expect(open({ servers: shared?.url ?? "", tls: {} })).rejects.toMatchObject({
    details: { fix: expect.stringMatching("nats://") },
  });
});

test("a server that asks for certificates is given one, and who has none is told", async () => {
  const folder = fileURLToPath(new URL("../../support/certificates/", import.meta.url));
  const server = await start({
    more: `tls {
      cert_file: "${folder}hub.crt", key_file: "${folder}hub.key"
      ca_file: "${folder}authority.crt", verify: true
    }`,
  });
  const servers = server.url;
  const link = await open({ servers, tls: { ca: authority, ...clientCertificate } });
  expect(link.isReady).toBe(true);
  const naked = open({ servers, tls: { ca: authority }, connectTimeoutMs: 2_000 });
  await expect(naked).rejects.toMatchObject({
    code: "AGENT_UNREACHABLE",
    message: expect.stringMatching("asks for a certificate of its clients; "),
    details: { fix: expect.stringMatching("tls: { cert, key }") },
  });
});

test("what takes a connection and does not greet is given up, and its socket is closed", async () => {
  const closed = Promise.withResolvers<void>();
  const silent = createServer((socket) => {
    socket.on("error", () => {}).on("close", () => closed.resolve());
    socket.resume();
  });
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  onTestFinished(() => void silent.close());
  const { port } = silent.address() as AddressInfo;
  const attempt = open({ servers: `nats://127.0.0.1:${port}`, connectTimeoutMs: 100 });
  await expect(attempt).rejects.toMatchObject({
    code: "AGENT_UNREACHABLE",
    details: { fix: expect.stringMatching("is a NATS server there") },
  });
  await closed.promise;
});

test("whoever closes while a server does not greet again leaves no socket", async () => {
  const sockets: Socket[] = [];
  const relay = createServer((socket) => {
    sockets.push(socket.on("error", () => {}));
    if (sockets.length > 1) {
      socket.resume();
      return;
    }
    const upstream = createConnection(shared?.port ?? 0, "127.0.0.1").on("error", () => {});
    socket.pipe(upstream).pipe(socket);
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  onTestFinished(() => void relay.close());
  const { port } = relay.address() as AddressInfo;
  const link = await open({ servers: `nats://127.0.0.1:${port}`, backoffMaxMs: 1 });
  sockets[0]?.destroy();
  await expect.poll(() => sockets.length).toBe(2);
  await link.close();
  await expect.poll(() => sockets[1]?.closed).toBe(true);
});

test("a stream that is other than it must be is refused by name", async () => {
  const link = await open();
  const { state } = link.names.streams;
  await link.api(`STREAM.DELETE.${state}`);
  await link.api(`STREAM.CREATE.${state}`, { name: state, subjects: [`${link.names.prefix}.s.>`] });
  await expect(open({ prefix: link.names.prefix })).rejects.toMatchObject({
    code: "INVALID_OPTION",
    message: expect.stringContaining(state),
  });
});
