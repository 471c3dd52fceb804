/** Dead letters: shown, put back, deleted. */
import { isColloquyError } from "../../../errors.ts";
import { throwIfAborted } from "../../../runtime/abort.ts";
import type { BrowseRange, DeadLetter } from "../../broker.ts";
import { apiCodeOf } from "../errors.ts";
import { jsHeaders, readPage } from "../jetstream.ts";
import type { Enqueue } from "./enqueue.ts";
import type { QueueHub } from "./hub.ts";
import { decodeLetter, type Letter } from "./letters.ts";
import { messageHeaders } from "./work-message.ts";

const absentCodes: ReadonlySet<number | undefined> = new Set([10_037, 10_043, 10_057]);

export async function* deadLetters(
  { link, subjects }: QueueHub,
  range: BrowseRange,
  signal: AbortSignal,
): AsyncGenerator<readonly DeadLetter[], void, undefined> {
  let left = range.limit ?? Number.POSITIVE_INFINITY;
  for (let from = (range.after ?? 0) + 1, pending = 1; pending > 0 && left > 0; ) {
    throwIfAborted(signal);
    const page = await readPage(link, "state", subjects.letters(), from, signal);
    const known = page.messages.map((message) => decodeLetter(message)?.letter);
    const letters = known.filter((letter) => letter !== undefined).slice(0, left);
    from = (page.messages.at(-1)?.seq ?? 0) + 1;
    pending = page.messages.length === 0 ? 0 : page.pending;
    left -= letters.length;
    if (letters.length > 0) yield letters;
  }
}

/** Back into the queue first, under an id that is known again, then away: nothing is lost, and nothing doubled. */
export async function replay(
  hub: QueueHub,
  enqueue: Enqueue,
  numbers: readonly number[],
  signal?: AbortSignal,
): Promise<number> {
  const replayed = await Promise.all(
    [...new Set(numbers)].map(async (number) => {
      const letter = await letterAt(hub, number, signal);
      if (letter === undefined) return false;
      const { queue, frame } = letter.letter;
      const headers: Record<string, string> = {
        [jsHeaders.messageId]: `r:${number}`,
        [messageHeaders.id]: letter.id,
      };
      if (letter.guarantee !== "at-least-once") {
        headers[messageHeaders.guarantee] = letter.guarantee;
      }
      const begin = hub.subjects.waiting(queue).slice(0, -1);
      const parcel = { queue, subject: `${begin}${letter.place}`, frame, headers };
      const [outcome] = await enqueue.store(queue, [parcel], signal);
      if (outcome?.kind !== "stored") return false;
      await deleteLetter(hub, number, signal);
      return !outcome.duplicate;
    }),
  );
  return replayed.filter(Boolean).length;
}

export async function purge(
  hub: QueueHub,
  numbers: readonly number[],
  signal?: AbortSignal,
): Promise<number> {
  const purged = await Promise.all(
    [...new Set(numbers)].map(async (number) => {
      if ((await letterAt(hub, number, signal)) === undefined) return false;
      return await deleteLetter(hub, number, signal);
    }),
  );
  return purged.filter(Boolean).length;
}

async function letterAt(
  { link, subjects }: QueueHub,
  number: number,
  signal: AbortSignal | undefined,
): Promise<Letter | undefined> {
  throwIfAborted(signal);
  const { messages } = await readPage(link, "state", subjects.letters(), number, signal, 1);
  const [message] = messages;
  return message?.seq === number ? decodeLetter(message) : undefined;
}

/** @returns whether it was this call. */
async function deleteLetter(
  { link }: QueueHub,
  number: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    const body = { seq: number, no_erase: true };
    await link.api(`STREAM.MSG.DELETE.${link.names.streams.state}`, body, signal);
    return true;
  } catch (error) {
    if (absentCodes.has(apiCodeOf(error)) || isColloquyError(error, "NOT_FOUND")) return false;
    throw error;
  }
}
