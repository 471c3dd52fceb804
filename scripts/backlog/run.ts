/** One measurement: fill, look, start the server again, drain. */
import type { Broker } from "../../src/broker/broker.ts";
import { type BacklogOptions, type Drained, drain, fill } from "./backlog.ts";
import type { MeasuredServer } from "./server.ts";

export interface Footprint {
  /** Resident memory of the server, and what lies in its directory, bytes. */
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

export interface BacklogRun {
  readonly fillMs: number;
  /** Until the server took work again, after an orderly end, with the backlog on its disk. */
  readonly restartMs: number;
  readonly drainMs: number;
  readonly drained: Drained;
  /** Not final, as the mailbox counts them: after filling, and in the end. */
  readonly waiting: readonly [full: number, drained: number];
  readonly server: Readonly<Record<"empty" | "full" | "restarted" | "drained", Footprint>>;
  /** Highest resident memory of this process, which sends and receives, bytes. */
  readonly clientBytesMax: Readonly<Record<"fill" | "drain", number>>;
}

const sampleMs = 250;
const tellMs = 5_000;

export async function runBacklog(
  server: MeasuredServer,
  open: (url: string) => Promise<Broker>,
  options: Pick<BacklogOptions, "messages" | "frameBytes" | "batch" | "inFlight">,
  say: (text: string) => void,
): Promise<BacklogRun> {
  const broker = await open(server.url);
  try {
    const teller = { what: "stored", toldMs: performance.now() };
    const onProgress = (count: number): void => {
      if (performance.now() - teller.toldMs < tellMs) return;
      teller.toldMs = performance.now();
      say(`${teller.what}: ${count.toLocaleString("en")}`);
    };
    const backlog = { ...options, queue: "type:backlog", onProgress };
    const empty = footprint(server);
    const filled = await timed(() => fill(broker, backlog));
    const full = footprint(server);
    const waitingFull = await waiting(broker);
    await server.stop();
    const restarted = await timed(() => server.start());
    const afterRestart = footprint(server);
    teller.what = "settled";
    const drained = await timed(() => drain(broker, backlog));
    return {
      fillMs: filled.ms,
      restartMs: restarted.ms,
      drainMs: drained.ms,
      drained: drained.result,
      waiting: [waitingFull, await waiting(broker)],
      server: { empty, full, restarted: afterRestart, drained: footprint(server) },
      clientBytesMax: { fill: filled.bytesMax, drain: drained.bytesMax },
    };
  } finally {
    await broker.close();
  }
}

function footprint({ memoryBytes, diskBytes }: MeasuredServer): Footprint {
  return { memoryBytes, diskBytes };
}

async function waiting(broker: Broker): Promise<number> {
  const [mailbox] = await broker.queues.mailboxes();
  return mailbox?.waiting ?? 0;
}

async function timed<Result>(act: () => Promise<Result>) {
  let bytesMax = process.memoryUsage.rss();
  const sampling = setInterval(() => {
    bytesMax = Math.max(bytesMax, process.memoryUsage.rss());
  }, sampleMs);
  const begunMs = performance.now();
  try {
    const result = await act();
    return { result, ms: performance.now() - begunMs, bytesMax };
  } finally {
    clearInterval(sampling);
  }
}
