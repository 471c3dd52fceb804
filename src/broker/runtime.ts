/**
 * What every broker gets around it, so that brokers themselves can stay naive: it is opened once,
 * closed once, and guarded in between.
 */
import { ColloquyError } from "../errors.ts";
import { checkOptions, wholeNumber } from "../message/checks.ts";
import type { Broker } from "./broker.ts";
import { GuardedBroker, type GuardOptions } from "./guarded.ts";

export interface BrokerRuntime {
  /**
   * Opens the broker with the first call; callers at the same time and later ones share it. After a
   * failure the next call tries again.
   *
   * @throws what opening throws; CLOSED after `close()`.
   */
  open(): Promise<GuardedBroker>;
  /** Closes what is open; what is just being opened is given up, or closed where it opens all the same. Safe to repeat. */
  close(): Promise<void>;
}

/**
 * @param open - makes one open broker, which is then the runtime's to close. Gives it up when `signal` aborts.
 * @throws INVALID_OPTION for a limit that is no whole number of 1 or more.
 */
export function withRuntime(
  open: (signal: AbortSignal) => Promise<Broker>,
  options: GuardOptions = {},
): BrokerRuntime {
  checkOptions<GuardOptions>(options, { callsInFlightMax: wholeNumber(1) });
  return new OnceOpened(open, options);
}

class OnceOpened implements BrokerRuntime {
  readonly #open: (signal: AbortSignal) => Promise<Broker>;
  readonly #options: GuardOptions;
  readonly #givingUp = new AbortController();
  #opened: Promise<GuardedBroker> | undefined;
  #closing: Promise<void> | undefined;

  constructor(open: (signal: AbortSignal) => Promise<Broker>, options: GuardOptions) {
    this.#open = open;
    this.#options = options;
  }

  open(): Promise<GuardedBroker> {
    if (this.#closing !== undefined) {
      return Promise.reject(new ColloquyError("CLOSED", "the broker is closed"));
    }
    this.#opened ??= this.#start();
    return this.#opened;
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #start(): Promise<GuardedBroker> {
    try {
      return new GuardedBroker(await this.#open(this.#givingUp.signal), this.#options);
    } catch (error) {
      this.#opened = undefined;
      throw error;
    }
  }

  async #end(): Promise<void> {
    this.#givingUp.abort(new ColloquyError("CLOSED", "the broker is closed"));
    // Whoever asked for a broker that could not be opened was told so.
    const broker = await this.#opened?.catch(() => undefined);
    await broker?.close();
  }
}
