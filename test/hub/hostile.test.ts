/**
 * G19: strangers that mean harm, over real sockets. Each is ended for what he did, or by a deadline, and
 * the hub goes on. Ten thousand of them: `npm run hostile`.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeHello } from "../../src/broker/hub/operations/greeting.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { Hub } from "../../src/hub/hub.ts";
import { join } from "../../src/index.ts";
import type { Listener } from "../../src/link/link.ts";
import { listenTcp } from "../../src/link/tcp.ts";
import { opcodes } from "../../src/link/websocket-frames.ts";
import { listenWebSocket } from "../../src/link/websocket-listener.ts";
import { FrameWriter } from "../../src/message/frame-writer.ts";
import { systemClock as clock } from "../../src/runtime/clock.ts";
import { someone } from "./support/raw-client.ts";
import {
  closeCode,
  dial,
  dialWebSocket,
  frameBytes,
  upgradeRequest,
  type WebSocketFrame,
} from "./support/stranger.ts";

const credential = "c".repeat(8_192);
const broker = openMemoryBroker();
const undecided = new Promise<never>(() => {});
/** Ends the half-open soon; and one that never does, so that whoever is ended there did wrong. */
const [hasty, patient] = [300, 2 ** 30].map(
  (helloTimeoutMs) =>
    new Hub({
      broker,
      clock,
      id: "hub",
      limits: { helloTimeoutMs },
      authenticate: ({ credential: shown }) =>
        shown === "undecided" ? undecided : Promise.resolve({ name: "somebody" }),
    }),
) as [Hub, Hub];
let tcp: Listener;
let ws: Listener;
/** Ends soon whoever has not sent his request. */
let hastyHttp: Listener;
let patientTcp: Listener;
let patientWs: Listener;

beforeAll(async () => {
  tcp = await listenTcp({ port: 0 }, (link) => hasty.accept(link));
  ws = await listenWebSocket({ port: 0 }, (link) => hasty.accept(link));
  hastyHttp = await listenWebSocket({ port: 0, patienceMs: 300 }, (link) => hasty.accept(link));
  patientTcp = await listenTcp({ port: 0 }, (link) => patient.accept(link));
  patientWs = await listenWebSocket({ port: 0 }, (link) => patient.accept(link));
});

afterAll(async () => {
  for (const { address } of [patientTcp, patientWs]) {
    const net = await join(address, { drainOnSignals: false });
    const agent = await net.agent(`served-${address.slice(0, 2)}`);
    agent.handle("echo", (input) => input);
    expect(await agent.request(`agent:served-${address.slice(0, 2)}`, "echo", 1)).toBe(1);
    await net.close();
  }
  for (const listener of [tcp, ws, hastyHttp, patientTcp, patientWs]) await listener.close();
  for (const hub of [hasty, patient]) await hub.close();
  await broker.close();
});

function portOf({ address }: Listener): number {
  return Number(new URL(address.replace(/^[a-z]+/, "http")).port);
}

function hello(shown: string): Uint8Array {
  const writer = new FrameWriter();
  writeHello(writer, { ...someone, incarnation: `with ${shown}`.slice(0, 200), credential: shown });
  return writer.take().slice();
}

const { binary, close, continuation, ping, pong, text } = opcodes;
const one = Uint8Array.of(1);
const begun: WebSocketFrame = { opcode: binary, payload: one, fin: false };
const more: WebSocketFrame = { opcode: continuation, fin: false };

describe("G19: wrong WebSocket frames", () => {
  const wrong: readonly (readonly [string, number, readonly WebSocketFrame[]])[] = [
    ["not masked", 1_002, [{ opcode: binary, payload: one, mask: undefined }]],
    ["reserved bits", 1_002, [{ opcode: binary, payload: one, reserved: 4 }]],
    ["an unknown opcode", 1_002, [{ opcode: 3, payload: one }]],
    ["an unknown control opcode", 1_002, [{ opcode: 11 }]],
    ["text", 1_003, [{ opcode: text, payload: one }]],
    ["too long, as soon as it is announced", 1_009, [{ opcode: binary, length: 65_537 }]],
    ["longer than any memory", 1_009, [{ opcode: binary, length: 2 ** 62 }]],
    ["in too many pieces", 1_008, [begun, ...Array.from({ length: 16 }, () => more)]],
    ["a continuation of nothing", 1_002, [more]],
    ["a message within a message", 1_002, [begun, begun]],
    ["a control frame in pieces", 1_002, [{ opcode: ping, fin: false }]],
    ["a control frame too long", 1_002, [{ opcode: ping, length: 126 }]],
    ["half a close code", 1_002, [{ opcode: close, payload: one }]],
    ["a close code that nobody may send", 1_002, [{ opcode: close, payload: code(1_005) }]],
    [
      "a reason that is no text",
      1_007,
      [{ opcode: close, payload: Uint8Array.of(...code(1_000), 255) }],
    ],
  ];
  for (const [name, expected, frames] of wrong) {
    test(`${name}: ends with ${expected}`, async () => {
      const stranger = await dialWebSocket(portOf(patientWs));
      for (const frame of frames) stranger.socket.write(frameBytes(frame));
      await stranger.ended;
      expect(closeCode(stranger.heard())).toBe(expected);
    });
  }

  test("a close in order is answered in kind, between the pieces of a message too", async () => {
    const stranger = await dialWebSocket(portOf(patientWs));
    stranger.socket.write(frameBytes(begun));
    stranger.socket.write(frameBytes({ opcode: close, payload: code(1_000) }));
    await stranger.ended;
    expect(closeCode(stranger.heard())).toBe(1_000);
  });

  test("a PING is answered with what it brought, cut anywhere and between pieces", async () => {
    const stranger = await dialWebSocket(portOf(patientWs));
    const payload = Buffer.from("still there?");
    const sent = [begun, { opcode: ping, payload }, { opcode: pong, payload }, more];
    for (const byte of Buffer.concat(sent.map(frameBytes))) {
      stranger.socket.write(Uint8Array.of(byte));
    }
    const heard = await stranger.until("still there?");
    expect(heard.at(heard.indexOf("still there?") - 2)).toBe(0x80 | pong);
    stranger.socket.destroy();
  });
});

describe("G19: requests that are none for a WebSocket", () => {
  const changed = (from: string, to: string) => upgradeRequest.replace(from, to);
  const wrong: readonly (readonly [string, string, string])[] = [
    ["POST", "405 ", changed("GET", "POST")],
    ["another path", "404 ", changed("GET / ", "GET /elsewhere ")],
    ["HTTP/1.0", "400 ", changed("HTTP/1.1", "HTTP/1.0")],
    ["another protocol", "400 ", changed("websocket", "h2c")],
    ["another version", "426 ", changed("Version: 13", "Version: 8")],
    ["no key", "400 ", changed("Sec-WebSocket-Key", "X-Key")],
    ["a short key", "400 ", changed("AAAA==", "==")],
    ["a body", "400 ", changed("Host: hub", "Host: hub\r\nContent-Length: 5")],
    ["no upgrade", "426 ", "GET / HTTP/1.1\r\nHost: hub\r\n\r\n"],
  ];
  for (const [name, status, request] of wrong) {
    test(`${name}: ${status}`, async () => {
      const stranger = await dial(portOf(patientWs));
      stranger.socket.write(request);
      await stranger.ended;
      expect(stranger.heard().toString("latin1")).toMatch(`HTTP/1.1 ${status}`);
    });
  }

  const hopeless: Readonly<Record<string, string>> = {
    garbage: "\u0000\u0001\u0002 garbage\r\n\r\n",
    "a head that is too long": changed("Host: hub", `Host: hub\r\nX: ${"x".repeat(9_000)}`),
    "a frame of ours": "\u0001\u0010\u0000\u0000\u0000\u0000\u0000\u0008",
    "two lengths": changed("Host: hub", "Content-Length: 1\r\nContent-Length: 2"),
  };
  for (const [name, request] of Object.entries(hopeless)) {
    test(`${name}: ended without a word`, async () => {
      const stranger = await dial(portOf(patientWs));
      stranger.socket.write(request, "latin1");
      await stranger.ended;
      expect(stranger.heard().toString("latin1")).not.toContain("101");
    });
  }
});

describe("G19: half-open", () => {
  const byTcp: Readonly<Record<string, Uint8Array>> = {
    "silence over TCP": new Uint8Array(0),
    "half a head over TCP": Uint8Array.of(1, 16, 0),
    "a HELLO whose end never comes, over TCP": hello(credential).subarray(0, -1),
  };
  for (const [name, bytes] of Object.entries(byTcp)) {
    test(`${name}: ended by the deadline`, async () => {
      const stranger = await dial(portOf(tcp));
      stranger.socket.write(bytes);
      await stranger.ended;
      expect(stranger.heard().toString("latin1")).not.toContain("WELCOME");
    });
  }

  const byWebSocket: Readonly<Record<string, Uint8Array>> = {
    "silence after the upgrade": new Uint8Array(0),
    "a frame that never ends": frameBytes({ opcode: binary, payload: one, length: 60_000 }),
    "a message that never ends": Buffer.concat([begun, more, more].map(frameBytes)),
    "half of a HELLO": frameBytes({ opcode: binary, payload: hello(credential).subarray(0, 900) }),
    "a PING that never ends": frameBytes({ opcode: ping, payload: one, length: 100 }),
  };
  for (const [name, bytes] of Object.entries(byWebSocket)) {
    test(`${name}: ended by the deadline`, async () => {
      const stranger = await dialWebSocket(portOf(ws));
      stranger.socket.write(bytes);
      await stranger.ended;
      expect(closeCode(stranger.heard())).not.toBe(1_002);
    });
  }

  test("a request whose head never ends: ended by the deadline", async () => {
    const stranger = await dial(portOf(hastyHttp));
    stranger.socket.write(upgradeRequest.slice(0, -2));
    const drip = setInterval(() => stranger.socket.write("X: y\r\n"), 20);
    await stranger.ended;
    clearInterval(drip);
    expect(stranger.heard().toString("latin1")).not.toContain("101");
  });
});

describe("G19: a HELLO with all the credential that there may be", () => {
  test("byte by byte over TCP: it is let in", async () => {
    const stranger = await dial(portOf(patientTcp));
    for (const byte of hello(credential)) stranger.socket.write(Uint8Array.of(byte));
    await stranger.until('"hub":"hub"');
    stranger.socket.destroy();
  });

  test("byte by byte over a WebSocket: it is let in, and ended when each is a message of its own", async () => {
    const stranger = await dialWebSocket(portOf(patientWs));
    for (const byte of frameBytes({ opcode: binary, payload: hello(credential) })) {
      stranger.socket.write(Uint8Array.of(byte));
    }
    await stranger.until('"hub":"hub"');
    stranger.socket.destroy();
    const chatterer = await dialWebSocket(portOf(patientWs));
    const messages = Array.from(hello(credential), (byte) =>
      frameBytes({ opcode: binary, payload: Uint8Array.of(byte) }),
    );
    chatterer.socket.write(Buffer.concat(messages));
    await chatterer.ended;
    expect(chatterer.heard().toString("latin1")).not.toContain('"hub":"hub"');
  });

  test("and one byte more, or a header of megabytes: it is told why not", async () => {
    const long = await dial(portOf(patientTcp));
    long.socket.write(hello(`${credential}c`));
    await long.until("hello.credential");
    const huge = await dial(portOf(patientTcp));
    huge.socket.write(hello("c".repeat(2 ** 20)).subarray(0, 12));
    await huge.until("MESSAGE_TOO_LARGE");
    await Promise.all([long.ended, huge.ended]);
  });

  test("and more, while it is still being asked about: it is ended", async () => {
    const stranger = await dial(portOf(patientTcp));
    stranger.socket.write(hello("undecided"));
    stranger.socket.write(new Uint8Array(2 ** 22));
    await stranger.ended;
  });
});

function code(number: number): Uint8Array {
  return Uint8Array.of(number >>> 8, number & 0xff);
}
