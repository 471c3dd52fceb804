/** A hub on TCP and WebSocket that says how it fares: the program that `npm run hostile` attacks. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Hub, systemClock } from "colloquy/hub";
import { openMemoryBroker } from "colloquy/testing";
import type { Link } from "../../src/link/link.ts";
import { listenTcp } from "../../src/link/tcp.ts";
import { listenWebSocket } from "../../src/link/websocket-listener.ts";

export interface Places {
  readonly tcp: number;
  readonly ws: number;
}

export interface Vitals {
  readonly rss: number;
  /** Longest time between two turns of the event loop since the last time, milliseconds. */
  readonly stallMs: number;
  /** The same in time of the processor: without that in which the system ran somebody else. */
  readonly workMs: number;
  /** Sockets that are open, whatever they are for, but for those that listen. */
  readonly connections: number;
}

const patienceMs = Number(process.argv[2]);
const hub = new Hub({
  broker: openMemoryBroker({ clock: systemClock }),
  clock: systemClock,
  id: "hub",
  limits: { strangersMax: 20_000, helloTimeoutMs: patienceMs },
});
const resolutionMs = 1;
const delay = monitorEventLoopDelay({ resolution: resolutionMs });
delay.enable();
/** Since Node 23.9, which the types do not know yet. */
const { threadCpuUsage } = process as unknown as { threadCpuUsage(): NodeJS.CpuUsage };
const workedMs = () => {
  const { user, system } = threadCpuUsage();
  return (user + system) / 1_000;
};
let lastMs = workedMs();
let workMs = 0;
setInterval(() => {
  const nowMs = workedMs();
  workMs = Math.max(workMs, nowMs - lastMs);
  lastMs = nowMs;
}, resolutionMs);
const accept = (link: Link) => hub.accept(link);
const tcp = await listenTcp({ port: 0 }, accept);
const ws = await listenWebSocket({ port: 0, patienceMs }, accept);
const portOf = (address: string) => Number(address.slice(address.lastIndexOf(":") + 1));
const places: Places = { tcp: portOf(tcp.address), ws: portOf(ws.address) };
process.send?.(places);
process.on("message", () => {
  const stallMs = Math.max(0, delay.max / 1e6 - resolutionMs);
  delay.reset();
  const connections = process
    .getActiveResourcesInfo()
    .filter((it) => it === "TCPSocketWrap").length;
  const vitals: Vitals = { rss: process.memoryUsage().rss, stallMs, workMs, connections };
  workMs = 0;
  process.send?.(vitals);
});
process.on("disconnect", () => process.exit());
