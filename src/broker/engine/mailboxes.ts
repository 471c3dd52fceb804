/** Declaring and removing mailboxes, each with the queue of its name. */
import { ColloquyError } from "../../errors.ts";
import type { MessageState } from "../broker.ts";
import type { Core } from "./core.ts";
import type { Group, Operation } from "./group.ts";
import { endWithdrawals, letGo } from "./life.ts";
import { full } from "./limits.ts";
import { Queue } from "./queue.ts";
import { encodeQueue } from "./queue-row.ts";
import { suspectsRow } from "./suspects.ts";

const nameCharactersMax = 512;

/** Rows of `meta` that begin so name the numbers of removed queues whose rows are still there. */
export const removedPrefix = "removed/";

/** What becomes of messages whose queue was removed. */
const removedState: MessageState = Object.freeze({ state: "unknown" });

/** @throws INVALID_ADDRESS for a name that is empty or too long. */
export function checkQueueName(queue: string): void {
  if (typeof queue === "string" && queue.length > 0 && queue.length <= nameCharactersMax) return;
  const shown = String(queue).slice(0, nameCharactersMax);
  throw new ColloquyError(
    "INVALID_ADDRESS",
    `queue: "${shown}", not 1 to ${nameCharactersMax} characters`,
    {
      details: { field: "queue", value: shown, limit: nameCharactersMax },
    },
  );
}

export class Declare implements Operation {
  readonly messages = 1;
  readonly bytes = 0;
  readonly #core: Core;
  readonly #names: readonly string[];
  readonly #tell: (error: ColloquyError | undefined) => void;
  #refusal: ColloquyError | undefined;

  constructor(
    core: Core,
    names: readonly string[],
    tell: (error: ColloquyError | undefined) => void,
  ) {
    this.#core = core;
    this.#names = names;
    this.#tell = tell;
  }

  decide(group: Group): void {
    const { directory, limits } = this.#core;
    this.#refusal = undefined;
    const names = new Set(this.#names.filter((name) => directory.declared(name) === undefined));
    if (directory.size + names.size > limits.queuesMax) {
      this.#refusal = full("queuesMax", limits.queuesMax);
      return;
    }
    for (const name of names) this.#declare(group, name);
  }

  committed(): void {
    this.#tell(this.#refusal);
  }

  failed(error: ColloquyError): void {
    this.#tell(error);
  }

  #declare(group: Group, name: string): void {
    const { directory, counters, changed } = this.#core;
    const queue = directory.named(name) ?? new Queue(name, this.#core);
    queue.number = counters.add(group, "queue");
    // Below lie messages that were removed with a queue, of this name perhaps.
    queue.forgotten = counters.get("positions");
    queue.next = 1 + queue.forgotten;
    directory.add(queue);
    group.join({
      seal: (writes) => void writes.push({ table: "queue", name, value: encodeQueue(queue) }),
      committed: () => changed(queue),
      reverted: () => {
        const { number } = queue;
        queue.number = 0;
        directory.remove(queue, number);
      },
    });
  }
}

/** Removes mailboxes at once; the rows of their queues are deleted bit by bit (housekeeping.ts). */
export class Remove implements Operation {
  readonly messages = 1;
  readonly bytes = 0;
  readonly alone = true;
  readonly #core: Core;
  readonly #names: readonly string[];
  readonly #tell: (error: ColloquyError | undefined) => void;
  readonly #onRemoved: (queueNumber: number) => void;

  constructor(
    core: Core,
    names: readonly string[],
    onRemoved: (queueNumber: number) => void,
    tell: (error: ColloquyError | undefined) => void,
  ) {
    this.#core = core;
    this.#names = names;
    this.#onRemoved = onRemoved;
    this.#tell = tell;
  }

  decide(group: Group): void {
    const { directory, counters } = this.#core;
    for (const name of new Set(this.#names)) {
      const queue = directory.declared(name);
      if (queue === undefined) continue;
      const { number } = queue;
      const given = counters.get("positions");
      counters.add(group, "positions", Math.max(0, queue.next - 1 - given));
      group.join({
        seal: (writes) => {
          writes.push({ table: "queue", name, value: undefined });
          if (queue.suspects !== undefined) {
            writes.push({ table: "meta", name: suspectsRow(number), value: undefined });
          }
          writes.push({ table: "meta", name: removedPrefix + number, value: noBytes });
        },
        committed: () => this.#forget(queue),
        reverted: () => {},
      });
    }
  }

  committed(): void {
    this.#tell(undefined);
  }

  failed(error: ColloquyError): void {
    this.#tell(error);
  }

  #forget(queue: Queue): void {
    const { number, active, tracker } = queue;
    for (const slot of active?.held.values() ?? []) {
      slot.state = "final";
      letGo(slot);
      endWithdrawals(slot, "unknown");
    }
    for (const { holder } of active?.lingering.values() ?? []) holder?.letGo();
    this.#core.questions.forget(number);
    queue.number = 0;
    queue.live = 0;
    queue.bytes = 0;
    queue.forgotten = 0;
    queue.recovered = 0;
    queue.lastExpiryMs = 0;
    queue.keyed = false;
    queue.suspects = undefined;
    queue.active = undefined;
    queue.tracker = undefined;
    this.#core.directory.remove(queue, number);
    tracker?.end(removedState);
    this.#onRemoved(number);
  }
}

const noBytes = new Uint8Array(0);
