/** What a sender of a crash campaign sends: everything about message `n` follows from its number. */
import type { Guarantee } from "../../src/broker/broker.ts";
import type { Priority } from "../../src/message/envelope.ts";

export interface Order {
  readonly id: string;
  readonly sender: string;
  /** Counts up by one with every send of its sender; from 1. */
  readonly number: number;
  readonly guarantee: Guarantee;
  readonly priority: Priority;
  readonly key: string | undefined;
  /** The first attempt throws, so that its key waits for a retry. */
  readonly stumbles: boolean;
}

export const keysPerSender = 500;

const guarantees: readonly Guarantee[] = ["at-most-once", "exactly-once", "at-least-once"];
const priorities: readonly Priority[] = ["normal", "normal", "normal", "high", "critical", "low"];

export function orderOf(sender: string, number: number): Order {
  const spread = Math.imul(number, 0x9e3779b1) >>> 0;
  return {
    id: `${sender}-${number}`,
    sender,
    number,
    guarantee: guarantees[number % guarantees.length] as Guarantee,
    priority: priorities[spread % priorities.length] as Priority,
    key: number % 8 === 0 ? undefined : `key-${(spread >>> 8) % keysPerSender}`,
    stumbles: number % 101 === 0,
  };
}

/** @throws when the text is the id of no order. */
export function orderOfId(id: string): Order {
  const dash = id.lastIndexOf("-");
  const number = Number(id.slice(dash + 1));
  if (dash < 1 || !Number.isSafeInteger(number)) throw new Error(`not the id of an order: ${id}`);
  return orderOf(id.slice(0, dash), number);
}
