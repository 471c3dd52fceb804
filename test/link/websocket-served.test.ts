/** The hub's end of a WebSocket: what a stranger can make it keep. Over real sockets. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { opcodes, WebSocketReader } from "../../src/link/websocket-frames.ts";
import { ServedWebSocketLink } from "../../src/link/websocket-served.ts";
import { dial, frameBytes } from "../hub/support/stranger.ts";

async function served(reads: boolean) {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const connecting = once(server, "connection") as Promise<[Socket]>;
  const stranger = await dial((server.address() as AddressInfo).port, reads);
  const [socket] = await connecting;
  server.close();
  return { stranger, socket, link: new ServedWebSocketLink(socket, "somebody") };
}

test("whoever pings without end and reads nothing is not answered without end", async () => {
  const { stranger, socket, link } = await served(false);
  const ping = frameBytes({ opcode: opcodes.ping, payload: new Uint8Array(125) });
  const message = frameBytes({ opcode: opcodes.binary, payload: new Uint8Array(4_000) });
  const round = Buffer.concat([...Array.from({ length: 25 }, () => ping), message]);
  const rounds = 2_000;
  for (let sent = 0; sent < rounds; sent++) stranger.socket.write(round);
  let bytes = 0;
  for await (const { length } of link.receive()) {
    bytes += length;
    if (bytes === rounds * 4_000) break;
  }
  expect(socket.writableLength).toBeLessThan(32 * 1024);
  stranger.socket.destroy();
});

for (const [name, opcode] of [
  ["PINGs", opcodes.ping],
  ["PONGs", opcodes.pong],
  ["empty messages", opcodes.binary],
] as const) {
  test(`whoever sends nothing but ${name} is ended soon`, async () => {
    const { stranger, socket, link } = await served(true);
    const frames = Buffer.concat(Array.from({ length: 4_000 }, () => frameBytes({ opcode })));
    for (let sent = 0; sent < 100; sent++) stranger.socket.write(frames);
    await expect(link.receive().next()).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
    expect(socket.bytesRead).toBeLessThan(frames.length * 50);
    link.destroy();
    await stranger.ended;
  });
}

test("the bytes of a message arrive before its end, however it is cut", async () => {
  const { stranger, link } = await served(true);
  const received = link.receive();
  const { binary, continuation } = opcodes;
  const long = new Uint8Array(1_000).map((_, at) => at);
  stranger.socket.write(frameBytes({ opcode: binary, payload: long, fin: false }));
  stranger.socket.write(frameBytes({ opcode: continuation, fin: false, length: 500 }));
  let bytes = Buffer.alloc(0);
  while (bytes.length < long.length) {
    const { value } = await received.next();
    bytes = Buffer.concat([bytes, value as Uint8Array]);
  }
  expect([...bytes]).toEqual([...long]);
  link.destroy();
  await stranger.ended;
});

test("pieces of a message may have 64 KiB in all, and are refused with the head that exceeds it", () => {
  const { binary, continuation } = opcodes;
  let bytes = 0;
  const reader = new WebSocketReader({
    onData: ({ length }) => {
      bytes += length;
    },
    onPing: () => {},
  });
  const piece = new Uint8Array(32 * 1024);
  expect(reader.push(frameBytes({ opcode: binary, payload: piece, fin: false }))).toBeUndefined();
  expect(
    reader.push(frameBytes({ opcode: continuation, payload: piece, fin: false })),
  ).toBeUndefined();
  const end = reader.push(frameBytes({ opcode: continuation, length: 1 }));
  expect(end).toMatchObject({ code: 1_009, told: false });
  expect(bytes).toBe(64 * 1024);
});
