/** What the parts of the queues know of one another. */
import type { NatsLink } from "../connection.ts";
import type { Endings } from "./endings.ts";
import type { Item } from "./item.ts";
import type { Publisher } from "./publisher.ts";
import type { Records } from "./records.ts";
import type { QueueSubjects } from "./subjects.ts";

export interface QueueContext {
  readonly link: NatsLink;
  readonly subjects: QueueSubjects;
  readonly publisher: Publisher;
  readonly records: Records;
  readonly endings: Endings;
  /** Names this broker object to others. */
  readonly clientId: string;
  /** What was stored before may have been delivered by a server that does not remember it. */
  readonly serverSinceMs: number;
  /** Those of the items that a receiver of another client has in hand. */
  heldElsewhere(queue: string, items: readonly Item[]): Promise<ReadonlySet<number>>;
  /** Whether another client has a message of this lane and key in hand. */
  keyHeldElsewhere(queue: string, name: string): Promise<boolean>;
  /** A receiver is about to get the item. */
  offered(item: Item): void;
  /** What is known of a message in hand has changed. */
  changed(queue: string, position: number): void;
  /** Tells other clients that a message has made way. */
  tellKeyMoved(queue: string, name: string): void;
}
