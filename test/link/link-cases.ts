/** What every kind of link owes, as a table; a kind's own test file opens a pair and runs it. */
import { expect } from "vitest";
import type { Link } from "../../src/link/link.ts";

export interface LinkPair {
  readonly near: Link;
  readonly far: Link;
}

export interface LinkCase {
  readonly name: string;
  readonly run: (pair: LinkPair) => Promise<void>;
}

export const linkCases: readonly LinkCase[] = [
  { name: "bytes arrive in order, both ways", run: bytesArriveInOrder },
  { name: "a chunk can be part of a larger buffer, which stays the sender's", run: partOfABuffer },
  { name: "the end follows everything that was sent", run: endFollows },
  { name: "a link destroyed by the other side is over", run: destroyedIsOver },
  { name: "sending into a link that has ended does nothing", run: sendAfterEnd },
  { name: "a reader that does not read holds the sender back", run: backpressure },
  { name: "close is safe to repeat", run: closeTwice },
  { name: "drained resolves when the other side goes away", run: drainedAtEnd },
];

async function bytesArriveInOrder({ near, far }: LinkPair): Promise<void> {
  near.send(Buffer.from("abc"));
  near.send(Buffer.from("def"));
  far.send(Buffer.from("123"));
  expect(await text(far, 6)).toBe("abcdef");
  expect(await text(near, 3)).toBe("123");
}

async function partOfABuffer({ near, far }: LinkPair): Promise<void> {
  const whole = Buffer.from("0123456789");
  near.send(whole.subarray(2, 5));
  near.send(whole.subarray(5, 9));
  expect(await text(far, 7)).toBe("2345678");
  expect(whole.toString()).toBe("0123456789");
}

async function endFollows({ near, far }: LinkPair): Promise<void> {
  const chunk = Buffer.alloc(10_000, 7);
  for (let count = 0; count < 10; count++) near.send(chunk);
  const closing = near.close();
  expect(await bytesUntilEnd(far)).toBe(100_000);
  await far.close();
  await closing;
}

async function destroyedIsOver({ near, far }: LinkPair): Promise<void> {
  near.send(Buffer.from("x"));
  expect(await text(far, 1)).toBe("x");
  near.destroy();
  // Whether a link that vanished ended in order or broke is not for every kind of link to tell.
  await bytesUntilEnd(far).catch((error: unknown) => {
    expect(error).toMatchObject({ code: "AGENT_UNREACHABLE" });
  });
}

async function sendAfterEnd({ near, far }: LinkPair): Promise<void> {
  const closing = near.close();
  expect(near.send(Buffer.from("late"))).toBe(true);
  expect(await bytesUntilEnd(far)).toBe(0);
  await far.close();
  await closing;
}

async function backpressure({ near, far }: LinkPair): Promise<void> {
  const chunk = Buffer.alloc(64 * 1024, 1);
  let chunks = 0;
  let draining: Promise<void>;
  let drained: boolean;
  do {
    do {
      expect(++chunks).toBeLessThan(1_000);
      // What the system takes in between must not count as room for ever.
      if (chunks % 8 === 0) await turn();
    } while (near.send(chunk));
    drained = false;
    draining = near.drained().then(() => {
      drained = true;
    });
    // Encryption takes some turns, and then there is room again, until the system takes no more.
    for (let turns = 0; turns < 20 && !drained; turns++) await turn();
  } while (drained);
  let bytes = 0;
  for await (const part of far.receive()) {
    bytes += part.length;
    if (bytes === chunks * chunk.length) break;
  }
  await draining;
}

async function closeTwice({ near, far }: LinkPair): Promise<void> {
  const first = near.close();
  const second = near.close();
  expect(await bytesUntilEnd(far)).toBe(0);
  await Promise.all([first, second, far.close()]);
  await near.close();
}

async function drainedAtEnd({ near, far }: LinkPair): Promise<void> {
  const chunk = Buffer.alloc(64 * 1024, 1);
  for (let chunks = 0; near.send(chunk) && chunks < 1_000; chunks++) {
    if (chunks % 8 === 0) await turn();
  }
  const draining = near.drained();
  far.destroy();
  await draining;
}

async function text(link: Link, length: number): Promise<string> {
  let received = "";
  const chunks = link.receive()[Symbol.asyncIterator]();
  while (received.length < length) {
    const { value, done } = await chunks.next();
    if (done === true) break;
    received += Buffer.from(value).toString();
  }
  return received;
}

async function bytesUntilEnd(link: Link): Promise<number> {
  let bytes = 0;
  for await (const chunk of link.receive()) bytes += chunk.length;
  return bytes;
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
