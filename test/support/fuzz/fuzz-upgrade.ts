/**
 * Hostile requests for the server that takes WebSockets, each over a connection of its own in memory,
 * through Node's HTTP server. Each has a seed of its own; half are damaged. What must hold:
 * - a link is made of a request exactly when it was answered with 101, the proof of its key, and not else;
 * - any other answer is a refusal with a status that we give, or none, and then the connection is ended.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Server } from "node:http";
import { Duplex } from "node:stream";
import type { Link } from "../../../src/link/link.ts";
import { webSocketServer } from "../../../src/link/websocket-listener.ts";
import { Draw } from "./draw.ts";
import { mutate } from "./mutations.ts";

export interface UpgradeFuzzReport {
  readonly frames: number;
  /** How often each status was given; "none" for who was ended without a word. */
  readonly reasons: ReadonlyMap<string, number>;
  readonly slowest: { readonly seed: number; readonly ms: number };
}

const origin = "https://desk.example";
const statuses = new Set(["101", "400", "403", "404", "405", "426", "none"]);
const atATime = 64;

export async function fuzzUpgrade(count: number, firstSeed: number): Promise<UpgradeFuzzReport> {
  const links: Link[] = [];
  const server = webSocketServer({ origins: [origin] }, (link) => links.push(link));
  const reasons = new Map<string, number>();
  let slowest = { seed: firstSeed, ms: 0 };
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  for (let seed = firstSeed; seed < firstSeed + count; seed += atATime) {
    const begin = performance.now();
    const visits = Array.from({ length: Math.min(atATime, firstSeed + count - seed) }, (_, at) =>
      visit(server, seed + at),
    );
    await settled();
    const ms = (performance.now() - begin) / visits.length;
    if (ms > slowest.ms) slowest = { seed, ms };
    let upgraded = 0;
    for (const one of visits) {
      const status = check(one);
      if (status === "101") upgraded++;
      reasons.set(status, (reasons.get(status) ?? 0) + 1);
    }
    assert.equal(links.length, upgraded, `from seed ${seed}`);
    for (const link of links.splice(0)) link.destroy();
    for (const { connection } of visits) connection.destroy();
  }
  Error.stackTraceLimit = stackTraceLimit;
  return { frames: count, reasons, slowest };
}

interface Visit {
  readonly seed: number;
  readonly bytes: Uint8Array;
  readonly connection: MemoryConnection;
}

function visit(server: Server, seed: number): Visit {
  const draw = new Draw(seed);
  const text = Buffer.from(request(draw), "latin1");
  const bytes = seed % 2 === 0 ? text : mutate(text, draw);
  const connection = new MemoryConnection();
  server.emit("connection", connection);
  const at = draw.chance(0.3) ? draw.below(bytes.length + 1) : 0;
  if (at > 0) connection.push(bytes.subarray(0, at));
  connection.push(bytes.subarray(at));
  // Nobody waits for the rest of a request here: deadlines have a test of their own.
  connection.push(null);
  return { seed, bytes, connection };
}

function check({ seed, bytes, connection }: Visit): string {
  const answer = connection.written();
  const status = /^HTTP\/1\.1 ([0-9]{3}) /.exec(answer)?.[1] ?? "none";
  const said = `seed ${seed}: ${JSON.stringify(Buffer.from(bytes).toString("latin1"))}: ${answer}`;
  assert.ok(statuses.has(status), said);
  if (status === "101") assert.ok(answer.includes(proofOf(bytes)), said);
  else assert.ok(connection.writableEnded || connection.destroyed, said);
  return status;
}

/** What the key of the request comes to; computed from its text, as a client would. */
function proofOf(bytes: Uint8Array): string {
  const head = Buffer.from(bytes).toString("latin1");
  const key = /^sec-websocket-key:[ \t]*([^\r\n]*?)[ \t]*\r?$/im.exec(head)?.[1] ?? "";
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

/** As far as an HTTP server looks, a socket. */
class MemoryConnection extends Duplex {
  readonly localAddress = "127.0.0.1";
  readonly remoteAddress = "127.0.0.1";
  readonly remotePort = 1;
  readonly #written: Buffer[] = [];

  written(): string {
    return Buffer.concat(this.#written).toString("latin1");
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#written.push(Buffer.from(chunk));
    done();
  }

  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  destroySoon(): void {
    this.end(() => this.destroy());
  }
}

/** What was pushed has been read, answered and ended: a few turns of streams' own ticks. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise(setImmediate);
}

function request(draw: Draw): string {
  const sometimes = <Value>(usual: Value, hostile: Value): Value =>
    draw.chance(0.04) ? hostile : usual;
  const line = [
    sometimes("GET", draw.oneOf(["POST", "HEAD", "OPTIONS", "CONNECT", "BREW", "get"])),
    sometimes("/", draw.oneOf(["*", "/?x", "//", "/../", "http://hub/", "/%00", "/x", "\u00ff"])),
    sometimes("HTTP/1.1", draw.oneOf(["HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "HTTP/1.10", ""])),
  ];
  const headers = [
    ["Host", sometimes("hub", "")],
    ["Connection", sometimes("Upgrade", draw.oneOf(["close", "keep-alive, Upgrade", "upgrade"]))],
    ["Upgrade", sometimes("websocket", draw.oneOf(["WebSocket", "h2c", "websocket, h2c"]))],
    ["Sec-WebSocket-Version", sometimes("13", draw.oneOf(["8", "13, 8", "013", ""]))],
    ["Sec-WebSocket-Key", sometimes(key(draw), draw.oneOf(["", "AAAA", "\u00e9".repeat(24)]))],
    ...draw.oneOf([[], [["Origin", draw.oneOf([origin, "null", `${origin}.evil`, "*"])]]]),
    ...sometimes([], [draw.oneOf(hostileHeaders)]),
  ].filter(() => !draw.chance(0.02));
  const end = sometimes("\r\n", draw.oneOf(["\n", "\r", "\r\n\r\n"]));
  const text = headers.map(([name, value]) => `${name}:${sometimes(" ", "")}${value}`);
  const rest = draw.chance(0.2) ? Buffer.from(draw.bytes(20)).toString("latin1") : "";
  return `${[line.join(" "), ...text].join(end)}${end}${end}${rest}`;
}

const hostileHeaders = [
  ["Content-Length", "5"],
  ["Content-Length", "-1"],
  ["Content-Length", "99999999999999999999"],
  ["Transfer-Encoding", "chunked"],
  ["Transfer-Encoding", "gzip, chunked"],
  ["Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="],
  ["Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"],
  ["Sec-WebSocket-Protocol", "chat"],
  ["Expect", "100-continue"],
  ["Upgrade", "websocket"],
  ["__proto__", "x"],
  ["X", "x".repeat(9_000)],
  [" X", "folded"],
  ["", "no name"],
] as const;

function key(draw: Draw): string {
  return Buffer.from(draw.bytes(16)).toString("base64");
}
