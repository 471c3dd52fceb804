/**
 * Strangers that mean harm, against a hub in a process of its own on TCP, beside a client that works on.
 *
 *   npm run hostile [-- --connections 10000]       writes docs/results/hostile.md
 *
 * Ends with 1 when the hub takes more than 1 GiB or 64 KiB for each stranger, or the client is not
 * served. How long the hub's event loop stood still is written down; a busy machine adds to it.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { cpus, loadavg, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openHubBroker, systemClock, systemRandom } from "colloquy/hub";
import { SeededRandom } from "colloquy/testing";
import { SocketLink } from "../src/link/socket.ts";
import type { Vitals } from "./hostile/hub.ts";

const { values } = parseArgs({ options: { connections: { type: "string", default: "10000" } } });
const connections = Number(values.connections);
if (!(connections >= 1)) throw new Error(`--connections: ${values.connections} is not 1 or more`);
const helloTimeoutMs = 20_000;
const strangerBytesMax = 64 * 1024;
const totalBytesMax = 2 ** 30;
const mib = 2 ** 20;

const hub = fork(fileURLToPath(new URL("./hostile/hub.ts", import.meta.url)), [
  `${helloTimeoutMs}`,
]);
const [port] = (await once(hub, "message")) as [number];
const random = new SeededRandom(1);
const neighbour = await openHubBroker({
  connect: async () => {
    const socket = await dial();
    return new SocketLink(socket, { peer: "the hub", local: true });
  },
  clock: systemClock,
  random: systemRandom,
  name: "neighbour",
});
let [served, working] = [0, true];
const latencies: number[] = [];
const work = (async () => {
  while (working) {
    const begin = performance.now();
    await neighbour.store?.put([{ key: "beat", value: Uint8Array.of(served % 256) }]);
    latencies.push(performance.now() - begin);
    served++;
    await pause(5);
  }
})();

const before = await vitals();
const rows: string[] = [];
/** Held until the hub's patience is over: connected, half of a frame's head said, and no more. */
const halfOpen = await attack(
  "half-open: six bytes of a head, then nothing",
  connections,
  (socket) => {
    socket.write(Uint8Array.of(1, 16, 0, 0, 0, 0));
  },
);
const held = await vitals();
const eachBytes = (held.rss - before.rss) / Math.max(1, held.connections - 1);
await attack("garbage: 4 KiB of random bytes", 2_000, (socket) => {
  socket.write(Uint8Array.from({ length: 4_096 }, () => random.uint32() & 255));
});
await attack("a HELLO that claims 4 GiB", 2_000, (socket) => {
  socket.write(Uint8Array.of(1, 16, 0, 0, 0, 0, 0, 8, 255, 255, 255, 255));
});
await attack("another version", 2_000, (socket) => {
  socket.write(Uint8Array.of(9, 16, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0));
});
await attack("a HELLO cut short, then the end", 2_000, (socket) => {
  socket.end(Uint8Array.of(1, 16, 0, 0, 0, 0, 0, 40, 0, 0, 0, 0, 1, 2, 3));
});
const loris = await attack("slow: one byte a second", 200, (socket) => {
  const timer = setInterval(() => socket.write(Uint8Array.of(1)), 1_000);
  socket.once("close", () => clearInterval(timer));
});
await Promise.all([...halfOpen, ...loris].map(closed));
const after = await vitals();
working = false;
await work;
await neighbour.close();
hub.disconnect();

const sorted = latencies.toSorted((a, b) => a - b);
const p99 = sorted[Math.floor(sorted.length * 0.99)] ?? 0;
const wrong: string[] = [];
if (held.rss > totalBytesMax) wrong.push(`${inMib(held.rss)} MiB in all`);
if (eachBytes > strangerBytesMax) wrong.push(`${Math.round(eachBytes)} bytes for each stranger`);
if (held.connections < connections) wrong.push(`only ${held.connections} were held`);
if (after.connections > 1) wrong.push(`${after.connections} are still connected`);
const verdict = wrong.length === 0 ? "Held." : `Wrong: ${wrong.join("; ")}.`;
console.log(verdict);
mkdirSync("docs/results", { recursive: true });
writeFileSync(
  "docs/results/hostile.md",
  `# Hostile connections

${verdict} With ${held.connections - 1} half-open connections the hub had ${inMib(held.rss)} MiB resident, ${inMib(before.rss)} before: ${(eachBytes / 1024).toFixed(1)}
KiB for each. It ended all of them after \`helloTimeoutMs\`. A client beside them was served ${served} times, p99 ${p99.toFixed(1)} ms.

| who came over TCP | how many | longest stall of the hub's event loop |
|---|--:|--:|
${rows.join("\n")}

- ${new Date().toISOString().slice(0, 10)}, \`npm run hostile -- --connections ${connections}\`, from sources; strangersMax 20,000 (default 256), helloTimeoutMs ${helloTimeoutMs}
- ${cpus().length} processors (${cpus()[0]?.model}), ${Math.round(totalmem() / 2 ** 30)} GiB of memory, Node ${process.version}, ${process.platform}
- load average when it ended: ${(loadavg()[0] as number).toFixed(1)}; an idle machine has 0. A stall is the time between two turns, so it includes the time in which the system ran somebody else
- The goal for a stall is 50 ms
`,
);
if (wrong.length > 0) process.exitCode = 1;

async function attack(
  name: string,
  count: number,
  act: (socket: Socket) => void,
): Promise<readonly Socket[]> {
  await vitals();
  const sockets: Socket[] = [];
  for (let begun = 0; begun < count; begun += 100) {
    const dialling = Array.from({ length: Math.min(100, count - begun) }, dial);
    for (const socket of await Promise.all(dialling)) {
      sockets.push(socket);
      act(socket);
    }
  }
  await pause(500);
  const { stallMs } = await vitals();
  rows.push(`| ${name} | ${count} | ${stallMs.toFixed(0)} ms |`);
  console.log(rows.at(-1));
  return sockets;
}

async function dial(): Promise<Socket> {
  const socket = createConnection({ port, host: "127.0.0.1" });
  await once(socket, "connect");
  socket.on("error", () => {});
  // Whoever does not read does not see the end either; a link reads by itself.
  socket.resume();
  return socket;
}

function closed(socket: Socket): Promise<void> {
  return socket.closed
    ? Promise.resolve()
    : new Promise((resolve) => socket.once("close", resolve));
}

async function vitals(): Promise<Vitals> {
  hub.send("vitals");
  const [answer] = (await once(hub, "message")) as [Vitals];
  return answer;
}

function inMib(bytes: number): string {
  return (bytes / mib).toFixed(0);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
