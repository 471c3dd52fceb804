/**
 * Questions to other processes about what their work waits for, and the answers to theirs. The one who
 * asks keeps all that is known; the one who is asked keeps nothing.
 */
import { isColloquyError } from "../../errors.ts";
import type { Message } from "../../message/message.ts";
import { decodePayload } from "../../message/payload.ts";
import type { Timer } from "../../runtime/clock.ts";
import { sendControl } from "../requests/control.ts";
import type { Site } from "../site.ts";
import type { LocalAgent } from "../work.ts";
import type { LocalWaits } from "./local-waits.ts";
import { type BlockedWork, readBlocked } from "./waits.ts";

/** Undefined: something of it can go on, or nobody knows. */
type Tell = (works: readonly BlockedWork[] | undefined) => void;

/** A process that does not answer by then is taken to go on. */
const answerWaitMs = 1_000;

export class Probes {
  readonly #site: Site;
  readonly #open = new Map<string, { readonly tell: Tell; readonly timer: Timer }>();

  constructor(site: Site) {
    this.#site = site;
  }

  /** What the requests of these ids, and all behind them in that process, wait for. */
  ask(
    by: LocalAgent,
    instance: string,
    ids: readonly string[],
  ): Promise<readonly BlockedWork[] | undefined> {
    const { newId, clock, space } = this.#site;
    const correlationId = newId();
    return new Promise((resolve) => {
      const tell: Tell = (works) => {
        this.#open.get(correlationId)?.timer.cancel();
        this.#open.delete(correlationId);
        resolve(works);
      };
      const unknown = () => tell(undefined);
      this.#open.set(correlationId, { tell, timer: clock.setTimer(answerWaitMs, unknown) });
      sendControl(this.#site, {
        name: "waits",
        from: { agent: by.id, type: by.type, instance: this.#site.instance },
        to: by.id,
        topic: space.inbox(instance),
        correlationId,
        data: ids,
        replyTo: space.inbox(this.#site.instance),
        onUnheard: unknown,
      });
    });
  }

  onAnswer({ envelope, payload }: Message): void {
    const asked = this.#open.get(envelope.correlationId ?? "");
    if (asked === undefined) return;
    const works = decodePayload(payload);
    const read = Array.isArray(works) ? works.map(readBlocked) : [undefined];
    asked.tell(read.every((it) => it !== undefined) ? read : undefined);
  }

  /** @param waits - empty; what is found out for the answer. */
  onQuestion({ envelope, payload }: Message, waits: LocalWaits): void {
    const ids = decodePayload(payload);
    const known = Array.isArray(ids) && ids.every((id) => typeof id === "string");
    const blocked = known && waits.followRequests(ids) ? [...waits.blocked.values()] : null;
    const { from } = envelope;
    const answer = (data: readonly BlockedWork[] | null) =>
      sendControl(this.#site, {
        name: "waiting",
        from: { agent: from.agent, type: from.type, instance: this.#site.instance },
        to: from.agent,
        topic: this.#site.space.inbox(from.instance),
        correlationId: envelope.correlationId ?? "",
        data,
      });
    try {
      answer(blocked);
    } catch (error) {
      if (!isColloquyError(error, "MESSAGE_TOO_LARGE")) throw error;
      answer(null);
    }
  }

  close(): void {
    for (const { tell } of this.#open.values()) tell(undefined);
  }
}
