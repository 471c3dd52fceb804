/**
 * One client at a hub: reads its frames, hands them to the port they are for, and says how things end.
 * What came in one chunk goes to a port in one call; what must keep its order behind that, waits for it.
 */

import type { Broker } from "../broker/broker.ts";
import {
  type Hello,
  readGoodbye,
  readHello,
  writeGoodbye,
  writeWelcome,
} from "../broker/hub/operations/greeting.ts";
import { sessionLimits, strangerLimits } from "../broker/hub/operations/limits.ts";
import { readNumbered, writeNumbered } from "../broker/hub/operations/numbered.ts";
import { ColloquyError, type ErrorInfo, errorInfo, isColloquyError } from "../errors.ts";
import { FrameOutput } from "../link/frame-output.ts";
import type { Link } from "../link/link.ts";
import { type Frame, type FrameType, frameTypes } from "../message/frame.ts";
import { FrameParser } from "../message/frame-parser.ts";
import { invalidMessage } from "../message/invalid.ts";
import { withAbort } from "../runtime/abort.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Allowance } from "./allowance.ts";
import type { Identity } from "./authentication.ts";
import { BoundEntries } from "./bound-entries.ts";
import type { HubLimits } from "./limits.ts";
import type { Probe } from "./probe.ts";
import { SessionCalls } from "./session-calls.ts";
import { SessionDeliveries } from "./session-deliveries.ts";
import { SessionIntake } from "./session-intake.ts";
import type { SessionContext, SessionPort } from "./session-port.ts";
import { SessionSettlements } from "./session-settlements.ts";
import { SessionTopics } from "./session-topics.ts";
import { SessionTracks } from "./session-tracks.ts";
import { WorkInProgress } from "./work-in-progress.ts";

/** What a session needs of the hub that serves it. */
export interface SessionHost {
  readonly id: string;
  readonly clock: Clock;
  readonly limits: HubLimits;
  readonly probe: Probe | undefined;
  readonly subscriptions: Allowance;
  /** Rejects, with the reason to be told, to refuse a session. */
  authenticate(hello: Hello, link: Link): Promise<Identity>;
  /** The broker object of one session, which does what its identity may. */
  connect(name: string, identity: Identity): Broker;
  /**
   * Takes in a session that has said who it is.
   *
   * @returns the session of the same incarnation whose place it takes.
   * @throws the reason why there is no room for it.
   */
  admit(session: Session, incarnation: string): Session | undefined;
  /** The link of the session broke: ends it once its client must be taken for dead. */
  await(session: Session, hello: Hello): void;
  forget(session: Session, incarnation: string): void;
}

/** How long a link may take to write its last bytes to a client that does not read. */
const closeTimeoutMs = 500;

/** Steps within one turn: a client must not keep the hub from the others for longer than it takes to do them. */
const stepsPerTurn = 4_096;

/** Who the client is, and what it has at the hub. */
interface Membership {
  readonly hello: Hello;
  readonly broker: Broker;
  readonly deliveries: SessionDeliveries;
  readonly ports: readonly SessionPort[];
  /** Until a successor takes it over. */
  bound: BoundEntries;
  /** Whose place this session takes, until it has claimed what it still holds. */
  predecessor: Session | undefined;
}

export class Session implements SessionContext {
  readonly output: FrameOutput;
  readonly #host: SessionHost;
  readonly #link: Link;
  readonly #parser = new FrameParser(strangerLimits);
  #identity: Identity | undefined;
  readonly #handlers: (((frame: Frame) => void) | undefined)[] = new Array(256).fill(undefined);
  readonly #work = new WorkInProgress();
  #membership: Membership | undefined;
  /** "suspended": its link broke, and its client may come again; "succeeded": it has. */
  #state: "open" | "suspended" | "succeeded" | "finished" = "open";
  #saidGoodbye = false;
  #silentTicks = 0;
  #steps = 0;
  /** Why it is not read; undefined while it is. */
  #heldBackBy: "its work" | "its backlog" | undefined;
  /** What had left for the client at the last tick. */
  #sentBytes = 0;

  /** @param identity - of the client, where it is known without asking. */
  constructor(host: SessionHost, link: Link, identity?: Identity) {
    this.#identity = identity;
    this.#host = host;
    this.#link = link;
    this.output = new FrameOutput(link, host.clock);
  }

  get limits(): HubLimits {
    return this.#host.limits;
  }

  get probe(): Probe | undefined {
    return this.#host.probe;
  }

  get subscriptions(): Allowance {
    return this.#host.subscriptions;
  }

  /** Its link is, or was, within one machine. */
  get local(): boolean {
    return this.#link.local ?? true;
  }

  /** Whose session it is; undefined until that is known. */
  get identity(): Identity | undefined {
    return this.#identity;
  }

  /** Its link broke, and its client has not come again yet. */
  get suspended(): boolean {
    return this.#state === "suspended";
  }

  handle(type: FrameType, handler: (frame: Frame) => void): void {
    this.#handlers[type] = handler;
  }

  handleInOrder(type: FrameType, handler: (frame: Frame) => void): void {
    this.#handlers[type] = (frame) => {
      this.#submit();
      handler(frame);
    };
  }

  track(work: Promise<void>, bytes: number): void {
    this.guard(this.#work.add(work, bytes));
  }

  occupy(work: Promise<void>, bytes: number): void {
    this.#work.occupy(work, bytes);
  }

  guard(work: Promise<void>): void {
    work.catch((error: unknown) => {
      // Nobody knows what became of it. The client comes again, here or to a successor, and repeats.
      if (!isColloquyError(error, "CLOSED")) this.destroy();
    });
  }

  spend(steps: number): void {
    this.#steps += steps;
    if (this.#steps >= stepsPerTurn) this.#parser.pause();
  }

  /** Resolves when the link has ended and nothing of it is left to do. Never rejects. */
  async run(): Promise<void> {
    const { clock } = this.#host;
    const patience = new AbortController();
    const timer = clock.setTimer(this.limits.helloTimeoutMs, () => {
      if (this.#membership !== undefined) return;
      this.destroy();
      patience.abort(new ColloquyError("CLOSED", "the client was not known in time"));
    });
    try {
      await this.#read(patience.signal);
    } catch (error) {
      if (isAboutHub(error)) this.destroy();
      else this.#refuse(errorInfo(error));
    }
    timer.cancel();
    this.#lost();
  }

  /** Called some times within the silence that is allowed. */
  tick(ticksMax: number): void {
    const { sentBytes } = this.output;
    const reads = sentBytes > this.#sentBytes;
    this.#sentBytes = sentBytes;
    // A client that is not read cannot be heard: what it has sent waits in the link.
    if (this.#heldBackBy === "its work" || (this.#heldBackBy !== undefined && reads)) {
      this.#silentTicks = 0;
    }
    if (this.#state !== "open" || ++this.#silentTicks <= ticksMax) return;
    this.destroy();
    this.abandon();
  }

  /** What it held may have been started by somebody who is gone. */
  abandon(): void {
    this.#membership?.deliveries.abandon();
    this.#membership?.predecessor?.abandon();
    this.release();
  }

  /** What it held and nobody claimed was never seen. */
  release(): void {
    this.destroy();
    this.#membership?.predecessor?.release();
    void this.#leave(this.#finish());
  }

  /** The hub ends: says so, and leaves everything else as it is. */
  async dismiss(): Promise<void> {
    this.#finish();
    this.#sayGoodbye();
    await this.#closeLink();
  }

  destroy(): void {
    this.#link.destroy();
  }

  /** @param patience - aborts when an authenticator has taken too long; its place is for others then. */
  async #read(patience: AbortSignal): Promise<void> {
    let greeting: Promise<void> | undefined;
    const receive = (frame: Frame): void => {
      if (this.#membership !== undefined) return this.#dispatch(frame);
      if (greeting !== undefined) throw tooEarly();
      greeting = this.#greet(readHello(frame));
      // Awaited below, unless what follows it in the chunk ends the session first.
      greeting.catch(() => {});
    };
    // Not `for await`: leaving that early would break the link before it has carried the reason.
    const chunks = this.#link.receive()[Symbol.asyncIterator]();
    let early: ReturnType<typeof chunks.next> | undefined;
    while (this.#reads) {
      if (!this.#take(await (early ?? chunks.next()), receive)) return;
      early = undefined;
      while (this.#parser.paused) {
        this.#submit();
        await new Promise<void>((resolve) => this.#host.clock.defer(resolve));
        await this.#room();
        if (!this.#reads) return;
        this.#steps = 0;
        this.#parser.resume(receive);
      }
      this.#steps = 0;
      this.#submit();
      if (this.#membership === undefined && greeting !== undefined) {
        // Read meanwhile: what a stranger sends must not pile up in the link while it is asked about.
        early = chunks.next();
        await withAbort(Promise.race([greeting, early.then(refuseData)]), patience);
        continue;
      }
      await this.#room();
    }
  }

  /** Resolves once so little of the client is being done, and waits for it, that more can be taken. */
  async #room(): Promise<void> {
    this.#heldBackBy = "its work";
    await this.#work.below(this.limits.inProgressBytesMax);
    this.#heldBackBy = "its backlog";
    await this.output.below(this.limits.backlogBytesMax);
    this.#heldBackBy = undefined;
  }

  /** What came behind a goodbye, or on a link that has a successor, is nobody's any more. */
  get #reads(): boolean {
    return this.#state === "open" && !this.#saidGoodbye;
  }

  /** @returns false at the end of the link. Whoever waits for more does not hold the chunk meanwhile. */
  #take({ done, value }: IteratorResult<Uint8Array>, receive: (frame: Frame) => void): boolean {
    if (done === true || !this.#reads) return false;
    this.#silentTicks = 0;
    this.#parser.push(value, receive);
    return true;
  }

  #dispatch(frame: Frame): void {
    const handler = this.#handlers[frame.type];
    if (handler === undefined) throw invalidMessage("frame.type", `no ${frame.type} from a client`);
    handler(frame);
  }

  #submit(): void {
    if (this.#membership === undefined) return;
    for (const port of this.#membership.ports) port.submit?.();
  }

  async #greet(hello: Hello): Promise<void> {
    this.#identity ??= await this.#host.authenticate(hello, this.#link);
    // Meanwhile it may have been refused or given up: it must not be taken in as one that nobody ends.
    if (this.#state !== "open") throw new ColloquyError("CLOSED", "the session has ended");
    const predecessor = this.#host.admit(this, hello.incarnation);
    predecessor?.succeed();
    const broker = this.#host.connect(hello.name, this.#identity);
    this.#parser.limits = sessionLimits;
    this.handle(frameTypes.PONG, () => {});
    this.handleInOrder(frameTypes.PING, (ping) => {
      writeNumbered(this.output.control, frameTypes.PONG, readNumbered(ping));
      this.output.written();
    });
    this.handleInOrder(frameTypes.GOODBYE, (goodbye) => {
      readGoodbye(goodbye);
      this.#saidGoodbye = true;
    });
    this.handleInOrder(frameTypes.RESUMED, () => this.#resumed());
    const deliveries = new SessionDeliveries(this, broker);
    const bound = predecessor?.handOver() ?? new BoundEntries();
    const ports = [
      new SessionTopics(this, broker),
      new SessionIntake(this, broker, hello.incarnation),
      new SessionSettlements(this, broker),
      new SessionTracks(this, broker),
      new SessionCalls(this, broker, bound),
    ];
    this.#membership = { hello, broker, deliveries, ports, bound, predecessor };
    const { name, capabilities } = broker;
    const { silenceMsMax } = this.limits;
    writeWelcome(this.output.data, {
      hub: this.#host.id,
      broker: name,
      capabilities,
      silenceMsMax,
    });
    this.output.flush();
  }

  /** The client has claimed all that it still holds; the rest of what its last session held is free. */
  #resumed(): void {
    const predecessor = this.#membership?.predecessor;
    if (this.#membership !== undefined) this.#membership.predecessor = undefined;
    predecessor?.release();
  }

  /** A successor is here, and ends it: nothing more comes from the old link or goes to it. */
  succeed(): void {
    if (this.#state === "open" || this.#state === "suspended") {
      this.#state = "succeeded";
      for (const port of this.#membership?.ports ?? []) port.succeeded?.();
    }
    this.destroy();
  }

  /** A successor is here: what is bound to the client is now its affair. */
  handOver(): BoundEntries | undefined {
    const bound = this.#membership?.bound;
    if (this.#membership !== undefined) this.#membership.bound = new BoundEntries();
    return bound;
  }

  #lost(): void {
    const membership = this.#membership;
    if (membership === undefined) {
      this.#state = "finished";
      void this.#closeLink();
    } else if (this.#saidGoodbye) {
      void this.#goodbye();
    } else if (this.#state === "open") {
      this.#state = "suspended";
      this.#host.await(this, membership.hello);
    }
  }

  async #goodbye(): Promise<void> {
    // What it sent before it left is still to be done.
    await this.#work.done();
    this.#membership?.predecessor?.release();
    const broker = this.#finish();
    await Promise.all([this.#leave(broker), this.#closeLink()]);
  }

  /** Its subscriptions have ended by now: who learns that it is gone finds nobody there. */
  async #leave(broker: Broker | undefined): Promise<void> {
    if (broker === undefined) return;
    await this.#membership?.bound.dropAll(broker);
    await broker.close();
  }

  /** Ends the link with the reason. */
  #refuse(reason: ErrorInfo): void {
    this.#sayGoodbye(reason);
    void this.#closeLink();
  }

  /** Past data that waits for a slow client, which would never get there any more. */
  #sayGoodbye(reason?: ErrorInfo): void {
    const { output } = this;
    output.flush();
    writeGoodbye(output.control, reason);
    output.flush();
  }

  /** @returns the broker of a session that had not finished before. */
  #finish(): Broker | undefined {
    if (this.#state === "finished") return undefined;
    this.#state = "finished";
    const membership = this.#membership;
    if (membership === undefined) return undefined;
    for (const port of membership.ports) port.end?.();
    this.#host.forget(this, membership.hello.incarnation);
    return membership.broker;
  }

  async #closeLink(): Promise<void> {
    const timer = this.#host.clock.setTimer(closeTimeoutMs, () => this.destroy());
    await this.#link.close();
    timer.cancel();
  }
}

/** @throws INVALID_MESSAGE when the link brought anything but its end. */
function refuseData({ done }: IteratorResult<Uint8Array>): void {
  if (done !== true) throw tooEarly();
}

function tooEarly(): ColloquyError {
  return invalidMessage("frame", "nothing before WELCOME");
}

/** Not the client's fault: it may come again, here or to a successor. */
function isAboutHub(error: unknown): boolean {
  if (!isColloquyError(error)) return false;
  const { code } = error;
  return code === "AGENT_UNREACHABLE" || code === "CLOSED" || code === "STORE_FAILED";
}
