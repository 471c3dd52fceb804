/**
 * Joins what never answers, gives it up, and has nothing else to do: says how it ended, how long after
 * being given up, and at its exit how long that took. It counts ticks of 100 ms: of a process that is not
 * let run nothing ticks.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { isColloquyError, join } from "colloquy";

const server = { server_id: "s", server_name: "s", version: "2.99.0", max_payload: 2 ** 23 };
const features = { proto: 1, headers: true, jetstream: true, api_lvl: 2 };
const greeting = `INFO ${JSON.stringify({ ...server, ...features })}\r\n`;

/** What would keep a process that has it open: nothing here. */
async function silent(place: { path: string } | { port: number }, answer?: (to: Socket) => void) {
  const listening: Server = createServer((socket) => {
    socket.unref().on("error", () => {});
    answer?.(socket);
  });
  await new Promise<void>((resolve) => listening.listen({ host: "127.0.0.1", ...place }, resolve));
  listening.unref();
  const address = listening.address();
  return typeof address === "object" && address !== null ? String(address.port) : "";
}

const directory = mkdtempSync(joinPath(tmpdir(), "colloquy-aborted-"));
const path = joinPath(directory, "silent.sock");
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));

function lockDirectory(): string {
  const lock = new DatabaseSync(joinPath(directory, "owner.lock"));
  lock.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  process.on("exit", () => lock.close());
  return `embedded:${directory}`;
}

async function atPort(scheme: string, answer?: (to: Socket) => void): Promise<string> {
  return `${scheme}://127.0.0.1:${await silent({ port: 0 }, answer)}`;
}

const urls: Readonly<Record<string, () => string | Promise<string>>> = {
  "embedded: another owns it": lockDirectory,
  "embedded: its owner is stopped": async () => {
    const hub = { hub: "x", socket: path, process: process.pid };
    writeFileSync(joinPath(directory, "hub.json"), JSON.stringify(hub));
    await silent({ path });
    return lockDirectory();
  },
  unix: async () => {
    await silent({ path });
    return `unix:${path}`;
  },
  "nats: it has greeted": () => atPort("nats", (socket) => socket.write(greeting)),
  "nats: no JetStream answers": () =>
    atPort("nats", (socket) => {
      socket.write(greeting);
      socket.on("data", (data) => {
        for (const _ of data.toString().matchAll(/^PING\r$/gm)) socket.write("PONG\r\n");
      });
    }),
};

const [what = ""] = process.argv.slice(2);
const url = await (urls[what]?.() ?? atPort(what));
// What is loaded late, such as a client, is there from now on.
await join(what.startsWith("redis") ? "redis://127.0.0.1:1" : "nats://127.0.0.1:1").catch(() => {});
const giveUp = new AbortController();
const joining = join({ url, signal: giveUp.signal, drainOnSignals: false });
const waitMs = 300;
let ticks = 0;
setInterval(() => ticks++, 100).unref();
setTimeout(() => {
  ticks = 0;
  giveUp.abort(new Error("enough"));
}, waitMs);
const outcome = await joining.catch((error: unknown) => error);
const { code, cause } = isColloquyError(outcome) ? outcome : { code: "none", cause: outcome };
const rejected = { code, cause: String(cause), afterTicks: ticks };
process.on("exit", () => process.stdout.write(JSON.stringify({ rejected, exitTicks: ticks })));
