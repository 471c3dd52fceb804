/** What a sender holds of a durable message: proof that it is stored, and the way to its outcome. */
import type { Attempts, Durability, MessageState } from "../broker/broker.ts";
import { ColloquyError, type ErrorInfo } from "../errors.ts";
import { unpackValue } from "./packed.ts";
import type { Site } from "./site.ts";

/** The final state of a message, or "unknown" when it became final longer ago than outcomes are kept. */
export type Outcome<Result = unknown> =
  | { readonly state: "done"; readonly result: Result }
  | { readonly state: "failed" | "dead" | "expired"; readonly error: ErrorInfo }
  | { readonly state: "unknown" };

export type Progress = { readonly state: "queued" | "offered"; readonly attempts: Attempts };

export interface SettledOptions {
  readonly signal?: AbortSignal;
}

/** Where a message lies. */
export interface Locator {
  readonly queue: string;
  readonly position: number;
  readonly messageId: string;
}

export class Receipt<Result = unknown> {
  readonly messageId: string;
  /** It had been stored before under this id, and was not stored again. */
  readonly duplicate: boolean;
  readonly #site: Site;
  readonly #locator: Locator;

  constructor(site: Site, locator: Locator, duplicate = false) {
    this.#site = site;
    this.#locator = locator;
    this.messageId = locator.messageId;
    this.duplicate = duplicate;
  }

  /** Names the message in every process and after every restart: `net.track(id)`. Opaque. */
  get id(): string {
    return formatReceiptId(this.#locator);
  }

  /** What the stored message survives. */
  get durability(): Durability {
    return this.#site.broker.capabilities.durability.level;
  }

  /** The state now. */
  async state(options: SettledOptions = {}): Promise<Outcome<Result> | Progress> {
    const { queue, position } = this.#locator;
    const state = await this.#site.broker.queues.track(queue, position, options);
    if (state.state === "queued" || state.state === "offered") return state;
    return outcomeOf(state) as Outcome<Result>;
  }

  /** Resolves with the outcome once it is final; rejects only with CANCELLED, CLOSED or a failure of the broker. */
  async settled(options: SettledOptions = {}): Promise<Outcome<Result>> {
    const { queue, position } = this.#locator;
    const state = await this.#site.broker.queues.track(queue, position, { wait: true, ...options });
    return outcomeOf(state) as Outcome<Result>;
  }
}

function outcomeOf(state: MessageState): Outcome {
  switch (state.state) {
    case "done":
      return {
        state: "done",
        result: state.result === undefined ? undefined : unpackValue(state.result),
      };
    case "failed":
    case "dead":
    case "expired":
      return { state: state.state, error: state.error };
    default:
      return { state: "unknown" };
  }
}

function formatReceiptId({ queue, position, messageId }: Locator): string {
  return `${position.toString(36)},${messageId},${queue}`;
}

/** No id and no name of a queue has a comma. */
const receiptPattern = /^([0-9a-z]{1,11}),([^,]{1,128}),([^,]+)$/;

/** @throws INVALID_OPTION when the text is no receipt id. */
export function parseReceiptId(id: string): Locator {
  const [, position = "", messageId = "", queue = ""] = receiptPattern.exec(id) ?? [];
  if (queue === "") {
    throw new ColloquyError(
      "INVALID_OPTION",
      `not the id of a receipt: "${String(id).slice(0, 200)}"`,
      {
        details: { field: "id" },
      },
    );
  }
  return { queue, position: Number.parseInt(position, 36), messageId };
}
