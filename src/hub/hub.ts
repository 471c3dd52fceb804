/**
 * Shares a broker over links. Every link carries one session; a session that loses its link keeps what
 * it holds for a grace, in which the same client can come back.
 *
 *   link ── HELLO ──▶ session ── GOODBYE ──────────────────▶ closed: what it held goes back
 *                       │ ▲                                     ▲
 *               the link breaks │ the same incarnation, claims  │ RESUMED by its successor
 *                       ▼ │                                     │
 *                   suspended ── grace over, process dead ──▶ abandoned: it may have been started
 */

import type { Broker } from "../broker/broker.ts";
import type { Hello } from "../broker/hub/operations/greeting.ts";
import { ColloquyError } from "../errors.ts";
import type { Link, LinkHost } from "../link/link.ts";
import {
  aClock,
  aFunction,
  type Checks,
  checkedWithin,
  checkOptions,
  text,
  withMethods,
} from "../message/checks.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { isProcessDead, processIdentity } from "../runtime/process.ts";
import { Allowance } from "./allowance.ts";
import { type Authenticate, type Identity, localIdentity } from "./authentication.ts";
import { type Action, AuthorisedBroker } from "./authorisation.ts";
import { checkHubLimits, type HubLimits } from "./limits.ts";
import type { Probe } from "./probe.ts";
import { Session, type SessionHost } from "./session.ts";
import type { SharedBroker } from "./shared-broker.ts";

export interface HubOptions {
  readonly broker: SharedBroker;
  readonly clock: Clock;
  /** Names this life of the hub; a ULID. */
  readonly id: string;
  /**
   * Says who a client is, or rejects with the reason to be told. Default: whoever could open the link,
   * which on a Unix socket is its owner.
   */
  readonly authenticate?: Authenticate;
  /**
   * Whether a client may do something: asked with the concrete subject each time, see `Action`. What
   * it may not is FORBIDDEN; what needs no answer goes nowhere. Default: everything.
   */
  readonly authorise?: (identity: Identity, action: Action, subject: string) => boolean;
  readonly limits?: Partial<HubLimits>;
  /** Called at points where tests stop the process. */
  readonly probe?: Probe;
}

const optionChecks: Checks<HubOptions> = {
  broker: withMethods("a broker that can be shared", "connect"),
  clock: aClock,
  id: text,
  authenticate: aFunction,
  authorise: aFunction,
  limits: checkedWithin,
  probe: aFunction,
};

/** Ticks of the liveness clock within the silence that a session is allowed. */
const ticksPerSilence = 6;

export class Hub implements SessionHost, LinkHost {
  readonly id: string;
  readonly broker: SharedBroker;
  readonly clock: Clock;
  readonly limits: HubLimits;
  readonly probe: Probe | undefined;
  readonly subscriptions: Allowance;
  readonly #authenticate: HubOptions["authenticate"];
  readonly #authorise: HubOptions["authorise"];
  /** Links that have not said who they are. */
  readonly #strangers = new Set<Session>();
  /** By incarnation; suspended ones included. */
  readonly #sessions = new Map<string, Session>();
  readonly #host: string = processIdentity().host;
  #timer: Timer | undefined;
  #closed = false;
  #refused = 0;

  /** @throws INVALID_OPTION naming the option that is wrong or unknown. */
  constructor(options: HubOptions) {
    checkOptions(options, optionChecks);
    this.id = options.id;
    this.broker = options.broker;
    this.clock = options.clock;
    this.probe = options.probe;
    this.#authenticate = options.authenticate;
    this.#authorise = options.authorise;
    this.limits = checkHubLimits(options.limits);
    const { subscriptionsMax } = this.limits;
    this.subscriptions = new Allowance("subscriptions", "subscriptionsMax", subscriptionsMax);
    this.#tick();
  }

  /** Operations that `authorise` has refused, publications included, which nobody is told of otherwise. */
  get refused(): number {
    return this.#refused;
  }

  /** True where an authenticator says who comes. */
  get authenticates(): boolean {
    return this.#authenticate !== undefined;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /**
   * Serves whoever is at the other end of `link` until it ends.
   *
   * @param identity - whose link it is, where that is known already: nobody is asked then.
   */
  accept(link: Link, identity?: Identity): void {
    if (this.#closed || this.#strangers.size >= this.limits.strangersMax) {
      link.destroy();
      return;
    }
    const session = new Session(this, link, identity);
    this.#strangers.add(session);
    void session.run().then(() => this.#strangers.delete(session));
  }

  async authenticate(hello: Hello, link: Link): Promise<Identity> {
    if (this.#authenticate === undefined) return localIdentity;
    const identity: Partial<Identity> | undefined = await this.#authenticate(hello, link);
    // An authenticator that says nothing has let nobody in.
    if (typeof identity?.name === "string") return { ...identity, name: identity.name };
    throw new ColloquyError("UNAUTHORIZED", "the authenticator of this hub names nobody");
  }

  connect(name: string, identity: Identity): Broker {
    const broker = this.broker.connect(name);
    const authorise = this.#authorise;
    if (authorise === undefined) return broker;
    return new AuthorisedBroker(broker, (action, subject) => {
      // Whatever a careless one gives beside true, a promise above all, allows nothing.
      if (authorise(identity, action, subject) === true) return true;
      this.#refused++;
      return false;
    });
  }

  /**
   * @throws CLOSED, RATE_LIMITED when there are as many sessions as there may be, FORBIDDEN when the
   *   incarnation is somebody else's.
   */
  admit(session: Session, incarnation: string): Session | undefined {
    if (this.#closed) throw new ColloquyError("CLOSED", "the hub is closing", { retryable: true });
    const predecessor = this.#sessions.get(incarnation);
    if (predecessor !== undefined && predecessor.identity?.name !== session.identity?.name) {
      throw new ColloquyError("FORBIDDEN", "hello.incarnation: it is another client's");
    }
    const { sessionsMax } = this.limits;
    if (predecessor === undefined && this.#sessions.size >= sessionsMax) {
      throw new ColloquyError("RATE_LIMITED", `sessionsMax ${sessionsMax} is reached`);
    }
    this.#strangers.delete(session);
    this.#sessions.set(incarnation, session);
    return predecessor;
  }

  await(session: Session, hello: Hello): void {
    const { clock } = this;
    const { reconnectGraceMs, remoteReconnectGraceMs, deathCheckMs } = this.limits;
    const graceMs = session.local ? reconnectGraceMs : remoteReconnectGraceMs;
    const endsMs = clock.monotonicMs() + graceMs;
    const look = (): void => {
      if (!session.suspended) return;
      const dead = hello.host === this.#host && isProcessDead(hello.process);
      if (dead || clock.monotonicMs() >= endsMs) session.abandon();
      else clock.setTimer(Math.min(deathCheckMs, endsMs - clock.monotonicMs()), look);
    };
    look();
  }

  /** Forgets a session that has finished, unless another has taken its place. */
  forget(session: Session, incarnation: string): void {
    if (this.#sessions.get(incarnation) === session) this.#sessions.delete(incarnation);
  }

  /** Says goodbye to everybody, who may then turn to another hub. What they hold is left as it is. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    for (const stranger of this.#strangers) stranger.destroy();
    await Promise.all([...this.#sessions.values()].map((session) => session.dismiss()));
    this.#sessions.clear();
  }

  /** Silence is counted in ticks: a hub that was stopped itself must not blame its sessions. */
  #tick(): void {
    const tickMs = this.limits.silenceMsMax / ticksPerSilence;
    this.#timer = this.clock.setTimer(tickMs, () => {
      for (const session of this.#sessions.values()) session.tick(ticksPerSilence);
      this.#tick();
    });
  }
}
