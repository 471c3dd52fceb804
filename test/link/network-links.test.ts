/** Links that cross a network: TCP and WebSocket, in the clear and under TLS, on loopback. */
import { createServer } from "node:net";
import { connect as connectSecurely } from "node:tls";
import { describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import type { AcceptLink, Connect, Link, Listener } from "../../src/link/link.ts";
import { connectTcp, listenTcp } from "../../src/link/tcp.ts";
import { connectWebSocket } from "../../src/link/websocket.ts";
import { listenWebSocket } from "../../src/link/websocket-listener.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { authority, clientCertificate, hubCertificate } from "../support/certificates.ts";
import { linkCases } from "./link-cases.ts";

const never = new AbortController().signal;
const trusting = { ca: authority };

interface Kind {
  readonly listen: (accept: AcceptLink) => Promise<Listener>;
  readonly connect: (address: string) => Connect;
}

const kinds: Record<string, Kind> = {
  tcp: {
    listen: (accept) => listenTcp({ port: 0 }, accept),
    connect: (address) => connectTcp(hostPort(address)),
  },
  tls: {
    listen: (accept) => listenTcp({ port: 0, tls: hubCertificate }, accept),
    connect: (address) => connectTcp({ ...hostPort(address), tls: trusting }),
  },
  ws: {
    listen: (accept) => listenWebSocket({ port: 0 }, accept),
    connect: (address) => connectWebSocket({ url: address }),
  },
  wss: {
    listen: (accept) => listenWebSocket({ port: 0, tls: hubCertificate }, accept),
    connect: (address) => connectWebSocket({ url: address, tls: trusting }),
  },
};

for (const [kind, { listen, connect }] of Object.entries(kinds)) {
  describe(kind, () => {
    for (const { name, run } of linkCases) {
      test(name, async () => {
        const { promise, resolve } = Promise.withResolvers<Link>();
        const listener = await listen(resolve);
        const near = await connect(listener.address)(never);
        const far = await promise;
        try {
          await run({ near, far });
        } finally {
          near.destroy();
          far.destroy();
          await listener.close();
        }
      });
    }

    test("the link says where it comes from, and that it is not local", async () => {
      const { promise, resolve } = Promise.withResolvers<Link>();
      const listener = await listen(resolve);
      const near = await connect(listener.address)(never);
      expect(near.peer).toBe(listener.address);
      expect(near.local).toBe(false);
      expect((await promise).peer).toMatch(new RegExp(`^${kind}://127\\.0\\.0\\.1:[0-9]+$`));
      near.destroy();
      await listener.close();
    });

    test("connecting where nobody listens is AGENT_UNREACHABLE", async () => {
      // One that has just been free is given to the next who asks for any.
      const nobody = `${kind}://127.0.0.1:1`;
      await expect(connect(nobody)(never)).rejects.toMatchObject({
        code: "AGENT_UNREACHABLE",
        retryable: true,
      });
    });

    test("what hangs up at once is AGENT_UNREACHABLE or a link that ends", async () => {
      const server = createServer((socket) => socket.destroy());
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as { port: number };
      const attempt = connect(`${kind}://127.0.0.1:${port}`)(never).then(async (link) => {
        for await (const _ of link.receive());
        throw Object.assign(new Error("ended"), { code: "AGENT_UNREACHABLE" });
      });
      await expect(attempt).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
      server.close();
    });

    test("an aborted signal cancels the attempt to connect, before it and during it", async () => {
      const listener = await listen((link) => link.destroy());
      const dial = connect(listener.address);
      await expect(dial(AbortSignal.abort())).rejects.toMatchObject({ code: "CANCELLED" });
      const late = new AbortController();
      const attempt = dial(late.signal);
      late.abort();
      await expect(attempt).rejects.toMatchObject({ code: "CANCELLED" });
      await listener.close();
    });

    test("a port that is taken is AGENT_UNREACHABLE and names it", async () => {
      const listener = await listen(() => {});
      const { port } = hostPort(listener.address);
      const again = kind.startsWith("ws")
        ? listenWebSocket({ port }, () => {})
        : listenTcp({ port }, () => {});
      await expect(again).rejects.toMatchObject({
        code: "AGENT_UNREACHABLE",
        message: expect.stringContaining(`${port}`),
      });
      await listener.close();
    });
  });
}

test("a certificate that nobody vouches for is refused", async () => {
  const listener = await listenTcp({ port: 0, tls: hubCertificate }, (link) => link.destroy());
  const stranger = connectTcp({ ...hostPort(listener.address), tls: {} });
  await expect(stranger(never)).rejects.toMatchObject({
    code: "AGENT_UNREACHABLE",
    message: expect.stringMatching(/certificate/),
    details: { fix: expect.stringMatching("tls: { ca }") },
  });
  const web = await listenWebSocket({ port: 0, tls: hubCertificate }, (link) => link.destroy());
  await expect(connectWebSocket({ url: web.address })(never)).rejects.toMatchObject({
    code: "AGENT_UNREACHABLE",
    details: { fix: expect.stringMatching("tls: { ca }") },
  });
  await listener.close();
  await web.close();
});

test("a port where no TLS is spoken is told as such, in one line", async () => {
  const greeting = createServer((socket) => socket.on("error", () => {}).end("INFO {}\r\n"));
  await new Promise<void>((resolve) => greeting.listen(0, "127.0.0.1", resolve));
  const { port } = greeting.address() as { port: number };
  const attempt = connectTcp({ host: "127.0.0.1", port, tls: trusting })(never);
  await expect(attempt).rejects.toMatchObject({
    code: "AGENT_UNREACHABLE",
    message: expect.stringMatching(
      /^nobody listens at tls:\S+ wrong version number; no TLS is .*$/,
    ),
  });
  greeting.close();
});

test("with an authority for clients, only those with a certificate come in", async () => {
  const accepted = Promise.withResolvers<Link>();
  const tls = { ...hubCertificate, ca: authority };
  const listener = await listenTcp({ port: 0, tls }, accepted.resolve);
  const address = hostPort(listener.address);
  // Under TLS 1.3 a client without one learns of it after its own half of the handshake.
  const naked = await connectTcp({ ...address, tls: trusting })(never);
  await readAll(naked).catch(() => {});
  const known = await connectTcp({ ...address, tls: { ...trusting, ...clientCertificate } })(never);
  // The first that was let in is the one with a certificate.
  const far = await accepted.promise;
  known.send(new Uint8Array([1, 2, 3]));
  for await (const chunk of far.receive()) {
    expect([...chunk]).toEqual([1, 2, 3]);
    break;
  }
  known.destroy();
  await listener.close();
});

test("who takes the connection and never speaks TLS is given up after ten seconds", async () => {
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as { port: number };
  const clock = new VirtualClock();
  const attempt = connectTcp({ host: "127.0.0.1", port, tls: trusting }, clock)(never);
  const refused = expect(attempt).rejects.toMatchObject({
    code: "AGENT_UNREACHABLE",
    message: expect.stringMatching("no answer for 10000 ms"),
  });
  await clock.advance(10_000);
  await refused;
  silent.close();
});

test("TLS 1.2 is refused", async () => {
  const listener = await listenTcp({ port: 0, tls: hubCertificate }, () => {});
  const { port } = hostPort(listener.address);
  const refused = new Promise((_resolve, reject) => {
    connectSecurely({ port, ca: authority, maxVersion: "TLSv1.2" }).on("error", reject);
  });
  await expect(refused).rejects.toMatchObject({ code: expect.stringMatching(/PROTOCOL|VERSION/) });
  await listener.close();
});

test("a page comes in only from an origin that is expected; a program needs none", async () => {
  const origins = ["https://desk.example"];
  const listener = await listenWebSocket({ port: 0, origins }, (link) => link.destroy());
  const knock = (origin: string | undefined) =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(listener.address, origin === undefined ? {} : { origin });
      socket.on("open", () => resolve(101));
      socket.on("error", reject);
      socket.on("unexpected-response", (_request, { statusCode }) => resolve(statusCode));
    });
  expect(await knock("https://elsewhere.example")).toBe(403);
  expect(await knock("null")).toBe(403);
  expect(await knock("https://desk.example")).toBe(101);
  expect(await knock(undefined)).toBe(101);
  await listener.close();
});

test("text and oversized messages end a WebSocket link, and nothing of them is passed on", async () => {
  for (const message of ["text", new Uint8Array(64 * 1024 + 1)]) {
    const { promise, resolve } = Promise.withResolvers<Link>();
    const listener = await listenWebSocket({ port: 0 }, resolve);
    const socket = new WebSocket(listener.address);
    // Whatever goes wrong, it is closed.
    socket.on("error", () => {});
    const closed = new Promise<number>((ended) => socket.on("close", ended));
    socket.on("open", () => socket.send(message));
    await expect(readAll(await promise)).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
    expect(await closed).toBe(typeof message === "string" ? 1_003 : 1_009);
    await listener.close();
  }
});

test("wrong hosts, ports, URLs, origins and certificates are refused with their field", async () => {
  const invalid = (field: string) =>
    expect.objectContaining({
      code: "INVALID_OPTION",
      details: expect.objectContaining({ field }),
    });
  expect(() => connectTcp({ host: "", port: 1 })).toThrow(invalid("host"));
  expect(() => connectTcp({ host: "localhost", port: 0 })).toThrow(invalid("port"));
  expect(() => connectTcp({ host: "localhost", port: 65_536 })).toThrow(invalid("port"));
  expect(() => connectWebSocket({ url: "http://localhost" })).toThrow(invalid("url"));
  expect(() => connectTcp({ host: "a", port: 1, tls: { ca: "nonsense", cert: "x" } })).toThrow(
    invalid("tls"),
  );
  const origins = ["desk.example"];
  await expect(listenWebSocket({ port: 0, origins }, () => {})).rejects.toEqual(invalid("origins"));
  await expect(listenTcp({ port: -1 }, () => {})).rejects.toEqual(invalid("port"));
});

function hostPort(address: string): { readonly host: string; readonly port: number } {
  const { hostname: host, port } = new URL(address.replace(/^[a-z]+/, "http"));
  return { host, port: Number(port) };
}

async function readAll(link: Link): Promise<void> {
  for await (const _ of link.receive());
}
