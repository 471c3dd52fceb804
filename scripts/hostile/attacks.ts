/** What strangers do, over TCP or on the way to a WebSocket and over it. */
import type { Socket } from "node:net";
import { SeededRandom } from "colloquy/testing";
import { writeHello } from "../../src/broker/hub/operations/greeting.ts";
import { opcodes } from "../../src/link/websocket-frames.ts";
import { FrameWriter } from "../../src/message/frame-writer.ts";
import { frameBytes, upgradeRequest } from "../../test/hub/support/stranger.ts";

export interface Attack {
  readonly name: string;
  /** "upgraded": a WebSocket that was asked for and granted. */
  readonly over: "tcp" | "http" | "upgraded";
  /** How many; "all" is what --connections says. */
  readonly count: number | "all";
  /** They do nothing that is wrong yet: the hub keeps them for as long as it is patient, and pays for each. */
  readonly held?: true;
  readonly act: (socket: Socket) => void;
}

const { binary, continuation, ping, text } = opcodes;
const one = Uint8Array.of(1);
const random = new SeededRandom(1);
const hello = greeting("c".repeat(8_000));
const fewPings = repeated(frameBytes({ opcode: ping, payload: new Uint8Array(120) }), 30);
const pings = repeated(fewPings, 4);
const inSixteens = joined(
  ...Array.from({ length: Math.floor(hello.length / 16) }, (_, at) =>
    frameBytes({ opcode: binary, payload: hello.subarray(at * 16, at * 16 + 16) }),
  ),
);
const pieces = repeated(frameBytes({ opcode: continuation, fin: false }), 1_000);
const begun = frameBytes({ opcode: binary, payload: hello.subarray(0, 8_000), fin: false });

export const attacks: readonly Attack[] = [
  write("six bytes of a head, then nothing", "tcp", "all", [1, 16, 0, 0, 0, 0], true),
  write(
    "a HELLO with a long credential, but for its last byte",
    "tcp",
    2_000,
    hello.subarray(0, -1),
    true,
  ),
  { ...write("garbage: 4 KiB of random bytes", "tcp", 2_000, []), act: garbage },
  write("a HELLO that claims 4 GiB", "tcp", 2_000, [1, 16, 0, 0, 0, 0, 0, 8, 255, 255, 255, 255]),
  write("another version", "tcp", 2_000, [9, 16, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0]),
  {
    ...write("a HELLO cut short, then the end", "tcp", 2_000, []),
    act: (socket) => socket.end(hello.subarray(0, 100)),
  },
  drip("one byte of a HELLO every 100 ms", "tcp", (turn) => hello.subarray(turn, turn + 1)),
  write("the upgrade, then nothing", "upgraded", "all", [], true),
  write(
    "4 KiB of PINGs, then a message without an end",
    "upgraded",
    2_000,
    joined(fewPings, begun),
    true,
  ),
  write("a HELLO but for its end, 16 bytes a message", "upgraded", 2_000, inSixteens, true),
  {
    ...write("2 MiB of PINGs, and no answer read", "upgraded", 500, []),
    act: (socket) => {
      socket.pause();
      for (let sent = 0; sent < 140; sent++) socket.write(pings);
    },
  },
  write("a message of 1,000 empty pieces", "upgraded", 2_000, joined(begun, pieces)),
  write(
    "a message that claims 2^62 bytes",
    "upgraded",
    2_000,
    frameBytes({ opcode: binary, length: 2 ** 62 }),
  ),
  write(
    "frames without a mask",
    "upgraded",
    2_000,
    frameBytes({ opcode: binary, payload: one, mask: undefined }),
  ),
  write("text", "upgraded", 2_000, frameBytes({ opcode: text, payload: one })),
  { ...write("garbage: 4 KiB of random bytes", "upgraded", 2_000, []), act: garbage },
  drip("one byte of a HELLO every 100 ms, each a message", "upgraded", (turn) =>
    frameBytes({ opcode: binary, payload: hello.subarray(turn, turn + 1) }),
  ),
  write(
    "half of a request to upgrade, then nothing",
    "http",
    "all",
    Buffer.from(upgradeRequest.slice(0, 60)),
    true,
  ),
  { ...write("garbage: 4 KiB of random bytes", "http", 2_000, []), act: garbage },
  write(
    "a head of 64 KiB",
    "http",
    2_000,
    Buffer.from(`${upgradeRequest.slice(0, -2)}X: ${"x".repeat(65_536)}`),
  ),
  write(
    "a request without a key",
    "http",
    2_000,
    Buffer.from(upgradeRequest.replace("-Key", "-Kye")),
  ),
  drip("a line of a head every 100 ms", "http", (turn) =>
    Buffer.from(turn === 0 ? upgradeRequest.slice(0, -2) : "X: y\r\n"),
  ),
];

function write(
  name: string,
  over: Attack["over"],
  count: Attack["count"],
  bytes: Uint8Array | readonly number[],
  held?: true,
): Attack {
  const sent = Uint8Array.from(bytes);
  const act = (socket: Socket) => {
    if (sent.length > 0) socket.write(sent);
  };
  return { name, over, count, act, ...(held === undefined ? {} : { held }) };
}

/** Never ends by itself: what comes must not put off the deadline. */
function drip(name: string, over: Attack["over"], bytes: (turn: number) => Uint8Array): Attack {
  return {
    name,
    over,
    count: 200,
    act: (socket) => {
      let turn = 0;
      const timer = setInterval(() => socket.write(bytes(turn++)), 100);
      socket.once("close", () => clearInterval(timer));
    },
  };
}

function garbage(socket: Socket): void {
  socket.write(Uint8Array.from({ length: 4_096 }, () => random.uint32() & 255));
}

function greeting(credential: string): Uint8Array {
  const writer = new FrameWriter();
  const hello = { incarnation: "stranger", name: "stranger", process: 1, host: "elsewhere" };
  writeHello(writer, { ...hello, credential });
  return writer.take().slice();
}

function repeated(bytes: Uint8Array, times: number): Uint8Array {
  return joined(...Array.from({ length: times }, () => bytes));
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}
