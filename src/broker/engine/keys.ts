/**
 * Order by key within one lane. Of the messages with one key only the head may be offered; the others
 * are parked behind it until it is final, in order of position.
 *
 *   key ──▶ line: head (a position), then the parked: whole slots, or bare positions when there are many
 */
import { HashTable } from "../../runtime/hash-table.ts";
import { RingBuffer } from "../../runtime/ring-buffer.ts";
import type { Slot } from "./slot.ts";

/** A bare position stands for a message that is read again when its turn comes. */
export type Parked = Slot | number;

interface Line {
  head: number;
  /** Position of the last one parked; that of the head when there is none. */
  last: number;
  parked: RingBuffer<Parked> | undefined;
}

export class KeyOrder {
  readonly #lines = new HashTable<string, Line>();
  #parked = 0;

  /** Messages that wait for another. */
  get parked(): number {
    return this.#parked;
  }

  /** Makes `position` the head of its key, unless there is one. @returns whether it is the head. */
  lead(key: string, position: number): boolean {
    const line = this.#lines.get(key);
    if (line !== undefined) return line.head === position;
    this.#lines.set(key, { head: position, last: position, parked: undefined });
    return true;
  }

  /** Parks a message behind the head of its key; one that is parked already stays as it is. */
  park(key: string, message: Parked): void {
    const line = this.#lines.get(key) as Line;
    const position = positionOf(message);
    if (line.parked === undefined || position > line.last) {
      line.parked ??= new RingBuffer();
      line.parked.push(message);
      line.last = position;
      this.#parked++;
    } else if (insert(line.parked, message)) {
      this.#parked++;
    }
  }

  /**
   * The message at `position` is final: the next one of its key becomes the head.
   *
   * @returns it, to be offered; undefined when there is none or `position` was not the head.
   */
  release(key: string, position: number): Parked | undefined {
    const line = this.#lines.get(key);
    if (line?.head !== position) return undefined;
    const next = line.parked?.shift();
    if (next === undefined) {
      this.#lines.delete(key);
      return undefined;
    }
    this.#parked--;
    line.head = positionOf(next);
    return next;
  }

  /** The parked message at `position`, where it is parked whole and not final. */
  find(position: number): Slot | undefined {
    for (const { parked } of this.#lines.values()) {
      for (const message of parked ?? []) {
        if (typeof message === "number" || message.state === "final") continue;
        if (message.position === position) return message;
      }
    }
    return undefined;
  }
}

function positionOf(message: Parked): number {
  return typeof message === "number" ? message : message.position;
}

/** Messages that were scheduled come late, and take the place that their position gives them. */
function insert(parked: RingBuffer<Parked>, message: Parked): boolean {
  const position = positionOf(message);
  const ordered = [...parked];
  if (ordered.some((other) => positionOf(other) === position)) return false;
  const at = ordered.findIndex((other) => positionOf(other) > position);
  ordered.splice(at === -1 ? ordered.length : at, 0, message);
  parked.clear();
  for (const each of ordered) parked.push(each);
  return true;
}
