/**
 * Strangers that mean harm, against a hub in a process of its own, on TCP and WebSocket, beside a client
 * that works on.
 *
 *   npm run hostile [-- --connections 10000]       writes docs/results/hostile.md, with 500 or more
 *
 * Ends with 1 when the hub takes more than 1 GiB or 64 KiB for each stranger, does not end one in time,
 * is at work for more than 50 ms in one turn, or the client is not served. How long the hub's event loop
 * stood still is written down as well; a busy machine adds to it. --patience is the hub's, in milliseconds; --out is another folder.
 */
import { createConnection, type Socket } from "node:net";
import { cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { upgradeRequest } from "../test/hub/support/stranger.ts";
import { type Attack, attacks } from "./hostile/attacks.ts";
import type { Vitals } from "./hostile/hub.ts";
import { Target } from "./hostile/target.ts";
import { saveMeasured } from "./results/measured.ts";

const { values } = parseArgs({
  options: {
    connections: { type: "string", default: "10000" },
    patience: { type: "string", default: "20000" },
    out: { type: "string" },
  },
});
const connections = above0("connections", values.connections);
const patienceMs = above0("patience", values.patience);
const strangerBytesMax = 64 * 1024;
const totalBytesMax = 2 ** 30;
const workMsMax = 50;
/** With fewer, what the hub takes for itself is more than what they cost. */
const strangersToWeigh = 500;
const atATime = 100;
const settleMs = 300;
/** Beyond the hub's patience, for a machine that is busy with other things. */
const machineMs = 20_000;
const mib = 2 ** 20;
const labels = { tcp: "TCP", http: "HTTP", upgraded: "WebSocket" } as const;

const wrong: string[] = [];
const rows: string[] = [];
const latencies: number[] = [];
let highest = 0;
const common = await Target.open(patienceMs);
await common.vitals();
await pause(patienceMs);
report("nobody, for as long as it is patient", 0, await common.vitals(), undefined);
if (connections < strangersToWeigh) {
  // Few of each are not weighed, and may as well come all at once.
  await Promise.all(attacks.map((attack) => play(attack, common)));
} else {
  for (const attack of attacks) await (attack.held === true ? weigh(attack) : play(attack, common));
}
latencies.push(...(await common.close()));
conclude();

/** Memory that others have made a hub take would be reused, and hide what these cost. */
async function weigh(attack: Attack): Promise<void> {
  const fresh = await Target.open(patienceMs);
  await pause(settleMs);
  await play(attack, fresh);
  latencies.push(...(await fresh.close()));
}

async function play(attack: Attack, target: Target): Promise<void> {
  const { name, over, held, act } = attack;
  const count = Math.min(connections, attack.count === "all" ? connections : attack.count);
  const before = await target.vitals();
  const sockets: Socket[] = [];
  for (let begun = 0; begun < count; begun += atATime) {
    const dialling = Array.from({ length: Math.min(atATime, count - begun) }, () =>
      dial(over, target),
    );
    for (const socket of await Promise.all(dialling)) {
      sockets.push(socket);
      act(socket);
    }
  }
  await pause(settleMs);
  const during = await target.vitals();
  highest = Math.max(highest, during.rss);
  // Those who come take longer than the hub is patient on a slow machine, and leave fewer to weigh.
  const kept = during.connections - before.connections;
  const eachBytes = (during.rss - before.rss) / Math.max(1, kept);
  const weighed = held === true && kept >= strangersToWeigh ? eachBytes : undefined;
  report(`${labels[over]}: ${name}`, count, during, weighed);
  if (weighed !== undefined && weighed > strangerBytesMax) {
    wrong.push(`${name}: ${Math.round(weighed)} bytes for each`);
  }
  // A few strangers among many processes say nothing of a hub by itself.
  if (connections >= strangersToWeigh && during.workMs > workMsMax) {
    wrong.push(`${name}: at work for ${during.workMs.toFixed(0)} ms in one turn`);
  }
  for (const socket of sockets) socket.resume();
  const inTime = Promise.all(sockets.map(closed)).then(() => true);
  const late = new Promise<boolean>((resolve) => {
    setTimeout(() => resolve(false), patienceMs * 2 + machineMs).unref();
  });
  if (!(await Promise.race([inTime, late]))) {
    const open = sockets.filter((socket) => !socket.closed);
    wrong.push(`${name}: ${open.length} were not ended in time`);
    for (const socket of open) socket.destroy();
  }
}

async function dial(over: Attack["over"], { places }: Target): Promise<Socket> {
  const port = over === "tcp" ? places.tcp : places.ws;
  const socket = createConnection({ port, host: "127.0.0.1" });
  socket.on("error", () => {});
  await first(socket, "connect");
  if (over === "upgraded") {
    socket.write(upgradeRequest);
    await first(socket, "data");
  }
  // Whoever does not read does not see the end either.
  socket.resume();
  return socket;
}

function report(name: string, count: number, vitals: Vitals, each: number | undefined): void {
  const { stallMs, workMs } = vitals;
  const weight = each === undefined ? "" : `${(Math.max(0, each) / 1024).toFixed(1)} KiB`;
  rows.push(
    `| ${name} | ${count} | ${weight} | ${workMs.toFixed(0)} ms | ${stallMs.toFixed(0)} ms |`,
  );
  console.log(rows.at(-1));
}

function conclude(): void {
  if (highest > totalBytesMax) wrong.push(`${inMib(highest)} MiB in all`);
  if (latencies.length === 0) wrong.push("the client beside them was not served");
  const verdict = wrong.length === 0 ? "Held." : `Wrong: ${wrong.join("; ")}.`;
  console.log(verdict);
  if (wrong.length > 0) process.exitCode = 1;
  // A few are a trial, and no result to keep, unless somebody says where.
  if (connections < strangersToWeigh && values.out === undefined) return;
  const sorted = latencies.toSorted((a, b) => a - b);
  const p99 = sorted[Math.floor(sorted.length * 0.99)] ?? 0;
  saveMeasured(join(values.out ?? "docs/results", "hostile.md"), {
    command: "npm run hostile",
    head: "# Hostile connections",
    text: `${verdict} The hub had ${inMib(highest)} MiB resident at most. Whoever did wrong was ended for it, and the others
when its patience was over. A client beside them was served ${latencies.length} times, p99 ${p99.toFixed(1)} ms.

What each cost is told of those that the hub keeps until then, as resident memory of a hub that had no
other strangers before; at most ${strangerBytesMax / 1024} KiB.

| who came | how many | each cost | longest work in one turn | longest stall |
|---|--:|--:|--:|--:|
${rows.join("\n")}

- ${new Date().toISOString().slice(0, 10)}, \`npm run hostile -- --connections ${connections}\`, from sources; strangersMax 20,000 (default 256), helloTimeoutMs ${patienceMs} (default 5,000)
- ${cpus().length} processors (${cpus()[0]?.model}), ${Math.round(totalmem() / 2 ** 30)} GiB of memory, Node ${process.version}, ${process.platform}
- load average when it ended: ${(loadavg()[0] as number).toFixed(1)}; an idle machine has 0. A stall is the time between two turns of the hub's event loop, with that in which the system ran somebody else: compare the first row. Work is the hub's own time on a processor between two ticks of a millisecond that came when they could
- The goal is 50 ms`,
  });
}

/** Or its end: on a slow machine a hub may have lost its patience before. */
function first(socket: Socket, event: "connect" | "data"): Promise<void> {
  return new Promise((resolve) => {
    socket.once(event, () => resolve());
    socket.once("close", () => resolve());
  });
}

function closed(socket: Socket): Promise<void> {
  return socket.closed
    ? Promise.resolve()
    : new Promise((resolve) => socket.once("close", () => resolve()));
}

function inMib(bytes: number): string {
  return (bytes / mib).toFixed(0);
}

function above0(option: string, text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  console.error(`--${option}: ${text} is not above 0`);
  process.exit(2);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
