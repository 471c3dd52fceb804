/** What a test file supplies to the conformance suite. */
import type { Broker } from "../../broker/broker.ts";
import type { Clock } from "../../runtime/clock.ts";

/** A broker under test, fresh and empty: nothing that an earlier case left may be in it. */
export interface Subject {
  readonly broker: Broker;
  /** One more client of the same broker, as another process would have. */
  connect(): Promise<Broker>;
  /**
   * Ends every client and the broker itself, then opens it again with what it kept.
   * Needed where `durability` is more than "none".
   *
   * @param how - "clean" closes in order; "crash" as a kill would, as far as one process can do it.
   */
  restart?(how: "clean" | "crash"): Promise<Broker>;
  /** Breaks the connection of one client, which then reconnects by itself. */
  disconnect?(client: Broker): Promise<void>;
  /** Ends everything and removes what was kept. */
  close(): Promise<void>;
  /** What the broker's time comes from. Default: the system's. */
  readonly clock?: Clock;
}

export type OpenSubject = () => Promise<Subject>;
