/** One broker object over an engine: it does not hear its own publications, and closing it ends only what it began. */
import { ColloquyError } from "../../errors.ts";
import { onAbort, throwIfAborted } from "../../runtime/abort.ts";
import { AsyncQueue } from "../../runtime/async-queue.ts";
import type { Broker, BrokerStatus, Capabilities, Log, Queues, Store, Topics } from "../broker.ts";
import type { Core } from "./core.ts";
import { logPort } from "./log-port.ts";
import { queuesPort } from "./queues-port.ts";
import type { Session } from "./session.ts";
import { storePort } from "./store-port.ts";

export interface ConnectionOptions {
  readonly core: Core;
  readonly name: string;
  readonly capabilities: Capabilities;
  /** Called once. */
  readonly onClose: (connection: Connection) => void;
  readonly onRemoved: (queueNumber: number) => void;
}

export class Connection implements Broker {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly topics: Topics;
  readonly queues: Queues;
  readonly store: Store;
  readonly log: Log;
  readonly #options: ConnectionOptions;
  readonly #closing = new AbortController();
  /** Each with what takes its listener off the signal. */
  readonly #statuses = new Map<AsyncQueue<BrokerStatus>, () => void>();
  #end: ColloquyError | undefined;
  #status: BrokerStatus = { kind: "ready" };

  constructor(options: ConnectionOptions) {
    const { core } = options;
    this.#options = options;
    this.name = options.name;
    this.capabilities = options.capabilities;
    const session: Session = {
      core,
      signal: this.#closing.signal,
      check: () => {
        if (this.#end !== undefined) throw this.#end;
      },
    };
    this.topics = this.#topics(session);
    this.queues = queuesPort(session, options.onRemoved);
    this.store = storePort(session);
    this.log = logPort(session);
  }

  statuses(signal: AbortSignal): AsyncIterable<BrokerStatus> {
    const statuses = new AsyncQueue<BrokerStatus>({
      onStop: () => this.#endStatuses(statuses),
    });
    statuses.push(this.#status);
    if (this.#end !== undefined) {
      statuses.end();
      return statuses;
    }
    this.#statuses.set(statuses, () => {});
    const forget = onAbort(signal, () => this.#endStatuses(statuses));
    if (this.#statuses.has(statuses)) this.#statuses.set(statuses, forget);
    return statuses;
  }

  close(): Promise<void> {
    this.#close(new ColloquyError("CLOSED", `${this.name} is closed`), { kind: "closed" });
    return Promise.resolve();
  }

  /** The engine can do nothing any more. */
  fail(cause: ColloquyError): void {
    const error = new ColloquyError("STORE_FAILED", `${this.name} failed: ${cause.message}`, {
      cause,
    });
    this.#close(error, { kind: "closed", cause });
  }

  #close(error: ColloquyError, status: BrokerStatus): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    this.#status = status;
    this.#closing.abort(error);
    for (const statuses of [...this.#statuses.keys()]) {
      statuses.push(status);
      this.#endStatuses(statuses);
    }
    this.#options.onClose(this);
  }

  #endStatuses(statuses: AsyncQueue<BrokerStatus>): void {
    this.#statuses.get(statuses)?.();
    this.#statuses.delete(statuses);
    statuses.end();
  }

  #topics(session: Session): Topics {
    const { core, check, signal: closing } = session;
    const overhear: NonNullable<Topics["overhear"]> = async (pattern, receive, signal) => {
      check();
      throwIfAborted(signal);
      const unsubscribe = core.topics.subscribe(pattern, receive, session);
      // Whichever comes first takes the other off: a signal that lives on must keep nothing alive.
      const end = () => {
        unsubscribe();
        forgetClosing();
        forgetSignal();
      };
      const forgetClosing = onAbort(closing, end);
      const forgetSignal = onAbort(signal, end);
      await core.topics.heeded(pattern);
    };
    return {
      reaches: (topic) => core.topics.reaches(topic, session),
      onReached: (topic, found) => core.topics.onReached(topic, found, session),
      publish: (publications) => {
        check();
        core.topics.publish(publications, session);
      },
      subscribe: (pattern, receive, signal) =>
        overhear(
          pattern,
          ({ topic, frame, control }) => {
            receive(topic, frame, control);
            return true;
          },
          signal,
        ),
      overhear,
    };
  }
}
