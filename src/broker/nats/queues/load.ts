/** A message that this client does not hold, as the streams have it. */
import { isColloquyError } from "../../../errors.ts";
import { readPage } from "../jetstream.ts";
import type { QueueHub } from "./hub.ts";
import { Item } from "./item.ts";
import { workMessage } from "./work-message.ts";

/** Undefined when nothing waits there: whoever needs to know more reads the record then, not before. */
export async function loadItem(
  hub: QueueHub,
  queue: string,
  position: number,
  signal?: AbortSignal,
): Promise<Item | undefined> {
  const { subjects, link, records } = hub;
  if (!(position >= 1)) return undefined;
  try {
    const [page, record] = await Promise.all([
      readPage(link, "work", subjects.waiting(queue), position, signal, 1),
      records.readOne(queue, position, signal),
    ]);
    const [message] = page.messages;
    if (message?.seq !== position) return undefined;
    const { subject, data, header } = message;
    const work = workMessage(position, subject, subjects.place(subject), data, header);
    const reply = subjects.acknowledgement(queue, work);
    const item = new Item(queue, work, reply);
    item.record = record;
    return item;
  } catch (error) {
    if (isColloquyError(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}
