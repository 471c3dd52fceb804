/**
 * A proxy for real sockets that plays the faults of a network, by seed: in front of a hub, or of
 * anything else that listens on TCP or on a Unix socket.
 *
 *   client ◀── "to-client" ── proxy ◀── target        client ── "to-target" ──▶ proxy ──▶ target
 *
 * Every direction has a `ProxyWay`, whose faults hold for the connections that are open and those to
 * come; `inject` plays one fault once. Whoever reads slowly holds the other side back: the proxy keeps
 * one chunk of each direction, or the frame that it waits for the end of.
 */
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { ColloquyError } from "../errors.ts";
import {
  aboveZero,
  aClock,
  anObject,
  aRandom,
  type Checks,
  checkOptions,
  flag,
  number,
  oneOf,
} from "../message/checks.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";
import { type InjectedFault, ProxyPipe, type ProxyWay } from "./proxy-pipe.ts";

/** Where somebody listens. */
export type ProxyEndpoint =
  | { readonly path: string }
  | { readonly host?: string; readonly port: number };

export type ProxyDirection = "to-target" | "to-client";

export interface FaultProxyOptions {
  readonly target: ProxyEndpoint;
  /** Default: a free port of 127.0.0.1. */
  readonly listen?: ProxyEndpoint;
  /** Decides where chunks are cut and which bytes go wrong. */
  readonly random: Random;
  /** Default: the system's. */
  readonly clock?: Clock;
}

const optionChecks: Checks<FaultProxyOptions> = {
  target: anObject,
  listen: anObject,
  random: aRandom,
  clock: aClock,
};

const wayChecks: Checks<ProxyWay> = {
  stalled: flag,
  blackHole: flag,
  delayMs: number(0),
  bytesPerMs: aboveZero,
  chunks: oneOf("as-sent", "anywhere", "bytes"),
};

/** What becomes of somebody who connects; "half-open": taken, and never answered. */
export type ProxyAdmission = "open" | "half-open" | "refuse";

/** Nothing waits for more to come with it: what delays there are, are asked for. */
const sockets = { allowHalfOpen: true, noDelay: true } as const;

export class FaultProxy {
  /** Of who connects from now on. */
  admission: ProxyAdmission = "open";
  readonly #options: FaultProxyOptions;
  readonly #server: Server;
  readonly #ways: Record<ProxyDirection, ProxyWay> = { "to-target": {}, "to-client": {} };
  readonly #connections = new Set<Connection>();
  #accepted = 0;

  private constructor(options: FaultProxyOptions) {
    this.#options = options;
    this.#server = createServer(sockets, (socket) => this.#accept(socket));
  }

  /** @throws INVALID_OPTION, AGENT_UNREACHABLE when it cannot listen there. */
  static async open(options: FaultProxyOptions): Promise<FaultProxy> {
    checkOptions(options, optionChecks);
    const proxy = new FaultProxy(options);
    const { listen = { port: 0 } } = options;
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once("error", (cause) => {
        const message = `the proxy cannot listen: ${cause.message}`;
        reject(new ColloquyError("AGENT_UNREACHABLE", message, { cause }));
      });
      proxy.#server.listen("path" in listen ? listen : { host: "127.0.0.1", ...listen }, resolve);
    });
    return proxy;
  }

  /** Of the proxy, when it listens on TCP; otherwise 0. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Connections that were ever taken. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Sets the faults of a direction, in place of those it had; `{}` heals it. @throws INVALID_OPTION. */
  set(direction: ProxyDirection, way: ProxyWay): void {
    checkOptions(way, wayChecks);
    this.#ways[direction] = way;
    for (const { pipes } of this.#connections) pipes[direction].changed();
  }

  /** Plays a fault once, on what passes next in each connection that is open now. */
  inject(direction: ProxyDirection, fault: InjectedFault): void {
    for (const { pipes } of this.#connections) pipes[direction].inject(fault);
  }

  /** Injected faults that nothing has met yet, of the connections that are open now. */
  get waitingFaults(): number {
    return this.#sum("to-target", "waiting") + this.#sum("to-client", "waiting");
  }

  /** Bytes that were passed on, of the connections that are open now. */
  passed(direction: ProxyDirection): number {
    return this.#sum(direction, "passedBytes");
  }

  /** Bytes that a black hole took, of the connections that are open now. */
  swallowed(direction: ProxyDirection): number {
    return this.#sum(direction, "swallowedBytes");
  }

  /**
   * Ends every connection, for both sides.
   *
   * @param how - "fin": what was taken still arrives, then the end; "reset": at once, with RST on TCP.
   */
  cut(how: "fin" | "reset" = "reset"): void {
    for (const connection of [...this.#connections]) connection.end(how);
  }

  /** Stops listening and resets what is open. */
  async close(): Promise<void> {
    this.cut("reset");
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #sum(direction: ProxyDirection, count: "waiting" | "passedBytes" | "swallowedBytes"): number {
    let sum = 0;
    for (const { pipes } of this.#connections) sum += pipes[direction][count];
    return sum;
  }

  #accept(client: Socket): void {
    this.#accepted++;
    // What breaks, breaks for both: see "close" below.
    client.on("error", () => {});
    if (this.admission === "refuse") {
      reset(client);
      return;
    }
    const connection = new Connection(client);
    this.#connections.add(connection);
    client.once("close", () => this.#connections.delete(connection));
    if (this.admission === "half-open") return;
    const { target, random, clock = systemClock } = this.#options;
    const upstream = createConnection({ host: "127.0.0.1", ...target, ...sockets });
    const pipe = (from: Socket, to: Socket, direction: ProxyDirection): ProxyPipe =>
      new ProxyPipe({ from, to, random, clock, way: () => this.#ways[direction] });
    connection.open(upstream, {
      "to-target": pipe(client, upstream, "to-target"),
      "to-client": pipe(upstream, client, "to-client"),
    });
  }
}

type Pipes = Record<ProxyDirection, Pick<ProxyPipe, keyof ProxyPipe>>;

class Connection {
  readonly #client: Socket;
  #upstream: Socket | undefined;
  #pipes: Pipes = { "to-target": nothing, "to-client": nothing };

  constructor(client: Socket) {
    this.#client = client;
  }

  get pipes(): Pipes {
    return this.#pipes;
  }

  open(upstream: Socket, pipes: Record<ProxyDirection, ProxyPipe>): void {
    this.#upstream = upstream;
    this.#pipes = pipes;
    upstream.on("error", () => {});
    this.#client.once("close", () => upstream.destroy());
    upstream.once("close", () => this.#client.destroy());
  }

  end(how: "fin" | "reset"): void {
    for (const socket of [this.#client, this.#upstream]) {
      if (socket === undefined) continue;
      if (how === "reset") reset(socket);
      else {
        socket.end();
        socket.destroySoon();
      }
    }
  }
}

const nothing = {
  changed: () => {},
  inject: () => {},
  waiting: 0,
  passedBytes: 0,
  swallowedBytes: 0,
};

/**
 * On a Unix socket there is no RST; there it is destroyed. So is one that is being shut down: Node can
 * not reset it, and would never close it, nor end its process.
 */
function reset(socket: Socket): void {
  const isShuttingDown = socket.writableEnded && !socket.writableFinished;
  if (socket.remoteAddress === undefined || isShuttingDown) socket.destroy();
  else socket.resetAndDestroy();
}
