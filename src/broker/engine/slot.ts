/** One message in memory, with what has become of it since it was read from its page. */
import { decodeUtf8 } from "../../message/text.ts";
import type { Lane, Notice, QueuedMessage } from "../broker.ts";
import { flagAtMostOnce, flagExpires, flagKeyed, type Page } from "./page.ts";
import { decodeHistory, freshHistory, type History } from "./returned.ts";
import type { Story } from "./story.ts";

/** In whose hands a message is. */
export interface Holder {
  /** For people. */
  readonly consumer: string;
  /** It can be asked about what it holds. */
  readonly hearsNotices: boolean;
  /** One message less. */
  letGo(): void;
  /** One message more, whether there is room or not. */
  takeUp(): void;
  notify(notice: Notice): void;
}

/**
 *   waiting ──▶ held ──▶ final        held by a receiver
 *      └──────▶ ending ──▶ final      about to expire, or to be made final before it is offered
 *   withheld ──▶ waiting              not offered until the grace after an opening has ended
 *   loose ───────────────▶ final      read for a settlement only, and in no list of its lane
 */
export type SlotState = "waiting" | "held" | "ending" | "withheld" | "loose" | "final";

export class Slot {
  readonly page: Page;
  readonly index: number;
  readonly position: number;
  readonly lane: Lane;
  readonly key: string | undefined;
  /** Wall clock, milliseconds; 0 for never. */
  readonly expiresAtMs: number;
  readonly atMostOnce: boolean;
  readonly history: History;
  state: SlotState = "waiting";
  /** Of the present attempt; 0 while there was none. */
  fence = 0;
  holder: Holder | undefined = undefined;
  story: Story | undefined = undefined;
  /** Counted by its page: it is in one of the lists of its lane, or in somebody's hands. */
  kept = false;
  /** At most once: final in storage since before it was offered. */
  taken = false;
  readonly #frameStart: number;

  /** @param message - what was encoded there, where that is still at hand. */
  constructor(page: Page, index: number, lane: Lane, message?: QueuedMessage) {
    this.page = page;
    this.index = index;
    this.position = page.positionAt(index);
    this.lane = lane;
    this.history = page.table === "later" ? decodeHistory(page) : freshHistory;
    let at = page.bodyStart(index);
    const flags = page.bytes[at++] as number;
    this.atMostOnce = (flags & flagAtMostOnce) !== 0;
    if ((flags & flagExpires) !== 0) {
      this.expiresAtMs = page.view.getFloat64(at);
      at += 8;
    } else {
      this.expiresAtMs = 0;
    }
    if ((flags & flagKeyed) !== 0) {
      const length = page.view.getUint16(at);
      at += 2 + length;
      this.key = message?.key ?? decodeUtf8("key", page.bytes, at - length, at);
    } else {
      this.key = undefined;
    }
    this.#frameStart = at;
  }

  get frame(): Uint8Array {
    const { bytes } = this.page;
    const end = this.page.bodyEnd(this.index);
    return new Uint8Array(
      bytes.buffer,
      bytes.byteOffset + this.#frameStart,
      end - this.#frameStart,
    );
  }

  get frameBytes(): number {
    return this.page.bodyEnd(this.index) - this.#frameStart;
  }

  /** As it lies in the page, to be stored again. */
  get body(): Uint8Array {
    return this.page.bytes.subarray(this.page.bodyStart(this.index), this.page.bodyEnd(this.index));
  }
}
