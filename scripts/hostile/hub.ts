/** A hub on TCP that says how it fares: the program that `npm run hostile` attacks. */
import { type AddressInfo, createServer } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Hub, systemClock } from "colloquy/hub";
import { openMemoryBroker } from "colloquy/testing";
import { SocketLink } from "../../src/link/socket.ts";

export interface Vitals {
  readonly rss: number;
  /** Longest turn of the event loop since the last time, milliseconds. */
  readonly stallMs: number;
  readonly connections: number;
}

const hub = new Hub({
  broker: openMemoryBroker({ clock: systemClock }),
  clock: systemClock,
  id: "hub",
  limits: { strangersMax: 20_000, helloTimeoutMs: Number(process.argv[2]) },
});
const resolutionMs = 1;
const delay = monitorEventLoopDelay({ resolution: resolutionMs });
delay.enable();
let connections = 0;
const server = createServer({ noDelay: true }, (socket) => {
  connections++;
  socket.once("close", () => connections--);
  hub.accept(new SocketLink(socket, { peer: "somebody", local: true }));
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 4_096 }, () => {
  process.send?.((server.address() as AddressInfo).port);
});
process.on("message", () => {
  const stallMs = Math.max(0, delay.max / 1e6 - resolutionMs);
  delay.reset();
  const vitals: Vitals = { rss: process.memoryUsage().rss, stallMs, connections };
  process.send?.(vitals);
});
process.on("disconnect", () => process.exit());
