/** What is done beside the traffic, a little at a time: forgetting what is too old, deleting rows of removed queues. */
import type { Core } from "./core.ts";
import type { Group, Operation } from "./group.ts";
import { removedPrefix } from "./mailboxes.ts";
import { questionsKey } from "./questions.ts";
import { laneNumbers } from "./queue.ts";
import { encodeQueue } from "./queue-row.ts";
import { laneKey, returnedKey, scheduledKey } from "./returned.ts";
import type { NumberedTable, Write } from "./storage.ts";

/** How often it is looked whether something is too old. */
const everyMs = 1_000;
const rowsMax = 256;

export class Housekeeping {
  readonly #core: Core;
  readonly #removed: number[];
  #lookedMs = Number.NEGATIVE_INFINITY;
  #staged = false;

  constructor(core: Core) {
    this.#core = core;
    const rows = core.storage.scanNamed("meta", removedPrefix, "", { rows: 1_000_000 });
    this.#removed = rows.map(({ name }) => Number(name.slice(removedPrefix.length)));
  }

  /** The rows of this queue may go. */
  removed(queueNumber: number): void {
    this.#removed.push(queueNumber);
  }

  /** Called after every group. */
  look(): void {
    const { clock, groups, outcomes, markers, producers } = this.#core;
    if (this.#staged) return;
    if (this.#removed.length === 0) {
      const monotonicMs = clock.monotonicMs();
      if (monotonicMs < this.#lookedMs + everyMs) return;
      this.#lookedMs = monotonicMs;
      const nowMs = clock.nowMs();
      const overdue = outcomes.overdue(nowMs) || markers.overdue(nowMs) || producers.overdue(nowMs);
      if (!overdue) return;
    }
    this.#staged = true;
    groups.stage(
      new Clean(this.#core, this.#removed[0], (cleaned, again) => {
        this.#staged = false;
        if (cleaned) this.#removed.shift();
        if (again) this.#lookedMs = Number.NEGATIVE_INFINITY;
      }),
    );
  }
}

class Clean implements Operation {
  readonly messages = 1;
  readonly bytes = 0;
  readonly #core: Core;
  readonly #queueNumber: number | undefined;
  readonly #onEnd: (cleaned: boolean, again: boolean) => void;
  #cleaned = false;

  constructor(
    core: Core,
    queueNumber: number | undefined,
    onEnd: (cleaned: boolean, again: boolean) => void,
  ) {
    this.#core = core;
    this.#queueNumber = queueNumber;
    this.#onEnd = onEnd;
  }

  decide(group: Group): void {
    const { outcomes, markers, producers } = this.#core;
    const { nowMs } = group;
    if (outcomes.overdue(nowMs)) this.#forgetOutcomes(group);
    if (markers.overdue(nowMs)) markers.forget(group);
    if (producers.overdue(nowMs)) producers.forget(group);
    this.#cleaned = this.#queueNumber !== undefined && this.#deleteRows(group, this.#queueNumber);
  }

  committed(): void {
    this.#onEnd(this.#cleaned, true);
  }

  failed(): void {
    this.#onEnd(false, false);
  }

  #forgetOutcomes(group: Group): void {
    const { outcomes, directory } = this.#core;
    for (const { queueNumber, position } of outcomes.forget(group)) {
      const queue = directory.numbered(queueNumber);
      if (queue === undefined || queue.forgotten >= position) continue;
      const before = queue.forgotten;
      queue.forgotten = position;
      group.join({
        seal: (writes) =>
          void writes.push({ table: "queue", name: queue.name, value: encodeQueue(queue) }),
        committed: () => {},
        reverted: () => {
          queue.forgotten = before;
        },
      });
    }
  }

  /** @returns whether none was left. */
  #deleteRows(group: Group, queueNumber: number): boolean {
    const deletes: Write[] = [];
    for (const lane of laneNumbers) {
      const tables: readonly (readonly [NumberedTable, number])[] = [
        ["page", laneKey(queueNumber, lane)],
        ["settled", laneKey(queueNumber, lane)],
        ["later", returnedKey(queueNumber, lane)],
        ["later", scheduledKey(queueNumber, lane)],
      ];
      for (const [table, a] of tables) {
        const rows = this.#core.storage.scan(table, a, 0, a, { rows: rowsMax - deletes.length });
        for (const { b } of rows) deletes.push({ table, a, b, value: undefined });
        if (deletes.length >= rowsMax) break;
      }
      if (deletes.length >= rowsMax) break;
    }
    const a = questionsKey(queueNumber);
    const asked = this.#core.storage.scan("later", a, 0, a, { rows: rowsMax });
    for (const { b } of asked) deletes.push({ table: "later", a, b, value: undefined });
    const none = deletes.length === 0;
    if (none) deletes.push({ table: "meta", name: removedPrefix + queueNumber, value: undefined });
    group.join({
      seal: (writes) => void writes.push(...deletes),
      committed: () => {},
      reverted: () => {},
    });
    return none;
  }
}
