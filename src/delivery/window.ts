/**
 * How many sends of one agent may be on their way to one destination: whoever sends more waits for
 * its turn instead of flooding the destination, in order of asking, and without polling.
 *
 * Invariant: somebody waits only while the window is full, and then its credit is handed on directly.
 */
import type { ColloquyError } from "../errors.ts";
import { oneOf, switchOf, wholeNumber } from "../message/checks.ts";
import { cancelledError, onAbort, throwIfAborted } from "../runtime/abort.ts";
import { type Switch, switched } from "./policy.ts";

export interface WindowOptions {
  /** Sends to one destination at a time, 1 or more. Default: 100. */
  readonly sendsMax: number;
  /**
   * What ends one: "stored", its receipt; "settled", its outcome, so that no more than `sendsMax` of
   * this agent's messages wait in a mailbox. Default: "stored".
   */
  readonly until: "stored" | "settled";
}

const defaultWindow: WindowOptions = { sendsMax: 100, until: "stored" };

const checkWindow = switchOf<WindowOptions>({
  sendsMax: wholeNumber(1, 1_000_000),
  until: oneOf("stored", "settled"),
});

/** @throws INVALID_OPTION naming the option, its value and what it may be. */
export function windowOptions(given: Switch<WindowOptions> | undefined): WindowOptions | undefined {
  if (given !== undefined) checkWindow("sendWindow", given);
  return switched(given, defaultWindow);
}

/** The part of a receipt that a window waits for. */
export interface Settling {
  settled(): Promise<unknown>;
}

interface Waiting {
  readonly go: () => void;
  readonly fail: (error: ColloquyError) => void;
}

interface Destination {
  sending: number;
  /** In order of asking. */
  readonly waiting: Set<Waiting>;
}

export class SendWindow {
  readonly #options: WindowOptions;
  /** Those with a send on its way. */
  readonly #destinations = new Map<string, Destination>();
  #closing: ColloquyError | undefined;

  constructor(options: WindowOptions) {
    this.#options = options;
  }

  /** Destinations with a send on its way. */
  get size(): number {
    return this.#destinations.size;
  }

  /** Runs `send` when there is room. @throws CANCELLED when `signal` aborts before; CLOSED. */
  async run<Receipt extends Settling>(
    to: string,
    send: () => Promise<Receipt>,
    signal: AbortSignal | undefined,
  ): Promise<Receipt> {
    throwIfAborted(signal);
    const destination = this.#destinationOf(to);
    if (destination.sending < this.#options.sendsMax) destination.sending++;
    else if (this.#closing !== undefined) throw this.#closing;
    else await turn(destination, signal);
    const leave = () => this.#leave(to, destination);
    try {
      const receipt = await send();
      if (this.#options.until === "stored") leave();
      else receipt.settled().then(leave, leave);
      return receipt;
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Nobody waits any more: those who do, or would have to, get `error`. What is on its way goes on. */
  close(error: ColloquyError): void {
    this.#closing = error;
    for (const { waiting } of this.#destinations.values()) {
      for (const { fail } of waiting) fail(error);
      waiting.clear();
    }
  }

  #destinationOf(to: string): Destination {
    const known = this.#destinations.get(to);
    if (known !== undefined) return known;
    const destination = { sending: 0, waiting: new Set<Waiting>() };
    this.#destinations.set(to, destination);
    return destination;
  }

  #leave(to: string, destination: Destination): void {
    const [next] = destination.waiting;
    if (next !== undefined) {
      destination.waiting.delete(next);
      next.go();
      return;
    }
    destination.sending--;
    if (destination.sending === 0) this.#destinations.delete(to);
  }
}

/** Resolves with the credit of one that has left. */
function turn({ waiting }: Destination, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const mine: Waiting = {
      go: () => {
        forget();
        resolve();
      },
      fail: (error) => {
        forget();
        reject(error);
      },
    };
    waiting.add(mine);
    const forget = onAbort(signal, () => {
      waiting.delete(mine);
      reject(cancelledError(signal as AbortSignal));
    });
  });
}
