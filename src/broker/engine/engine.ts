/**
 * The engine: queues, store, log and topics over one storage, in one thread. All broker objects that
 * `connect` gives out share it.
 */
import { ColloquyError } from "../../errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import { type Random, systemRandom } from "../../runtime/random.ts";
import type { Broker, Capabilities, Publication } from "../broker.ts";
import { deadLetterTopic } from "../dead-letter-topic.ts";
import { Changes } from "./changes.ts";
import { Connection } from "./connection.ts";
import type { Core } from "./core.ts";
import { Counters } from "./counters.ts";
import { DeadLetters } from "./dead-letters.ts";
import { Directory } from "./directory.ts";
import { Dispatcher } from "./dispatch.ts";
import { Due } from "./due.ts";
import { Entries } from "./entries.ts";
import { tellFollowers } from "./follow.ts";
import { GroupCommit, storeFailure } from "./group.ts";
import { Housekeeping } from "./housekeeping.ts";
import { checkLimits, type EngineLimits } from "./limits.ts";
import { Markers } from "./markers.ts";
import { Outcomes } from "./outcomes.ts";
import { Producers } from "./producers.ts";
import { OpenQuestions } from "./questions.ts";
import { Queue } from "./queue.ts";
import { decodeQueue } from "./queue-row.ts";
import { RecentFences } from "./recent-fences.ts";
import { Serials } from "./serials.ts";
import type { Storage } from "./storage.ts";
import { Streams } from "./streams.ts";
import { accusedIn, Suspects } from "./suspects.ts";
import { Timers } from "./timers.ts";
import { TopicHub } from "./topics.ts";
import { VolatileEnds } from "./volatile-ends.ts";
import { Watchers } from "./watchers.ts";

export interface EngineOptions {
  /** Belongs to the engine from now on, which closes it. */
  readonly storage: Storage;
  readonly clock: Clock;
  /** Default: the operating system's. */
  readonly random?: Random;
  /** For people. */
  readonly name: string;
  readonly limits?: Partial<EngineLimits>;
}

export interface Engine {
  /** A broker object of its own: it does not hear its own publications, and is closed on its own. */
  connect(name?: string): Broker;
  /** Resolves with the cause when the storage is lost and the engine has ended; never after `close`. */
  readonly failed: Promise<ColloquyError>;
  /**
   * Commits what was asked for, closes every connection and the storage. Safe to repeat.
   *
   * @param options - with `handOver`, what receivers hold does not go back: the next engine over the
   *   storage keeps it for them for as long as after an unclean end, and they claim it.
   */
  close(options?: { readonly handOver?: boolean }): Promise<void>;
}

/** @throws INVALID_OPTION for a limit; STORE_FAILED where a row cannot be read. */
export function openEngine(options: EngineOptions): Engine {
  return new RunningEngine(options);
}

const deadLettersCame: Publication = { topic: deadLetterTopic, frame: new Uint8Array(0) };

class RunningEngine implements Engine {
  readonly failed: Promise<ColloquyError>;
  readonly #name: string;
  readonly #core: Core;
  readonly #capabilities: Capabilities;
  readonly #connections = new Set<Connection>();
  readonly #housekeeping: Housekeeping;
  readonly #volatileEnds: VolatileEnds;
  #tellFailed: (cause: ColloquyError) => void = () => {};
  #checkpointing = false;
  #handingOver = false;
  #ended = false;

  constructor(options: EngineOptions) {
    const { storage, clock, random = systemRandom, name, limits: given } = options;
    const limits = checkLimits(given);
    this.#name = name;
    this.failed = new Promise((resolve) => {
      this.#tellFailed = resolve;
    });
    const dispatcher = new Dispatcher({ clock });
    const groups = new GroupCommit({
      storage,
      clock,
      messagesMax: limits.groupMessagesMax,
      bytesMax: limits.groupBytesMax,
      dispatch: () => this.#afterGroup(dispatcher),
      lost: (cause) => this.#fail(cause),
    });
    const counters = new Counters(storage);
    const serials = new Serials(storage);
    const { timersMax } = limits;
    const timers = new Timers({
      storage,
      clock,
      serials,
      timersMax,
      onDue: (due) => groups.stage(new Due(this.#core, due)),
      onDamage: (error) => this.#fail(storeFailure(error)),
    });
    this.#volatileEnds = new VolatileEnds(
      clock,
      () => groups,
      () => this.#core.entries,
    );
    const entries = new Entries({
      storage,
      counters,
      timers,
      valueBytesMax: limits.frameBytesMax,
      onChange: (changes) => this.#core.watchers.changed(changes),
      onVolatile: (key, revision, atMs) => this.#volatileEnds.add(key, revision, atMs),
    });
    this.#core = {
      clock,
      storage,
      limits,
      groups,
      counters,
      serials,
      timers,
      changes: new Changes({
        timers,
        onMoved: (queue, position) => tellFollowers(this.#core, queue, position),
        onChanged: (queue) => dispatcher.mark(queue),
      }),
      directory: new Directory(),
      markers: new Markers({ storage, serials, random, nowMs: clock.nowMs(), ...limits }),
      producers: new Producers({ storage, ...limits }),
      recentFences: new RecentFences(),
      outcomes: new Outcomes({ storage, serials, counters, ...limits }),
      deadLetters: new DeadLetters({
        storage,
        counters,
        ...limits,
        onArrival: () => this.#core.topics.publish([deadLettersCame], this),
      }),
      questions: new OpenQuestions(storage),
      entries,
      streams: new Streams({ storage, counters }),
      watchers: new Watchers({
        clock,
        list: (prefix, after) => entries.list(prefix, after, 256, clock.nowMs()),
      }),
      topics: new TopicHub(clock),
      changed: (queue) => dispatcher.mark(queue),
      wake: (queue) => dispatcher.soon(queue),
      handingOver: () => this.#handingOver,
    };
    this.#capabilities = capabilitiesOf(storage, limits);
    this.#housekeeping = new Housekeeping(this.#core);
    const awaitsClaims = storage.unclean || storage.readNamed("meta", handOverRow) !== undefined;
    loadQueues(this.#core, awaitsClaims);
    const graceMs = awaitsClaims ? limits.reconnectGraceMs : 0;
    dispatcher.start(this.#core, graceMs, accusedIn(storage));
    timers.start();
  }

  connect(name: string = this.#name): Broker {
    const connection = new Connection({
      core: this.#core,
      name,
      capabilities: this.#capabilities,
      onClose: (closed) => this.#connections.delete(closed),
      onRemoved: (queueNumber) => this.#housekeeping.removed(queueNumber),
    });
    this.#connections.add(connection);
    return connection;
  }

  async close({ handOver = false }: { readonly handOver?: boolean } = {}): Promise<void> {
    if (this.#ended) return;
    const { groups, storage } = this.#core;
    this.#handingOver = handOver;
    for (const connection of [...this.#connections]) await connection.close();
    groups.flush();
    if (this.#ended) return;
    if (!this.#recordHandOver()) return;
    this.#end(new ColloquyError("CLOSED", `${this.#name} is closed`));
    storage.close();
  }

  /** Whether the next engine must wait for claims. @returns false when the storage is lost. */
  #recordHandOver(): boolean {
    const { storage, directory } = this.#core;
    const held = this.#handingOver && [...directory.all()].some(isHeld);
    const recorded = storage.readNamed("meta", handOverRow) !== undefined;
    if (held === recorded) return true;
    try {
      const value = held ? new Uint8Array(1) : undefined;
      storage.commit([{ table: "meta", name: handOverRow, value }]);
      return true;
    } catch (thrown) {
      const message = "the hand-over could not be written";
      this.#fail(new ColloquyError("INDETERMINATE", message, { cause: thrown }));
      return false;
    }
  }

  #afterGroup(dispatcher: Dispatcher): void {
    dispatcher.run();
    this.#housekeeping.look();
    const { storage, clock } = this.#core;
    if (!storage.checkpointDue || this.#checkpointing) return;
    this.#checkpointing = true;
    clock.defer(() => {
      this.#checkpointing = false;
      if (!this.#ended) this.#checkpoint();
    });
  }

  #checkpoint(): void {
    try {
      this.#core.storage.checkpoint();
    } catch (thrown) {
      const message = "the checkpoint failed";
      this.#fail(new ColloquyError("INDETERMINATE", message, { cause: thrown }));
    }
  }

  #fail(cause: ColloquyError): void {
    if (this.#ended) return;
    const message = `${this.#name} failed before this was written`;
    this.#end(new ColloquyError("STORE_FAILED", message, { cause }));
    for (const connection of [...this.#connections]) connection.fail(cause);
    this.#tellFailed(cause);
  }

  #end(error: ColloquyError): void {
    this.#ended = true;
    this.#core.timers.end();
    this.#volatileEnds.end();
    this.#core.groups.end(error);
  }
}

function capabilitiesOf(storage: Storage, limits: EngineLimits): Capabilities {
  return {
    durability: storage.durability,
    effects: "atomic",
    store: true,
    log: true,
    priorities: true,
    delay: true,
    keyOrder: true,
    exactlyOnce: true,
    frameBytesMax: limits.frameBytesMax,
  };
}

/** Row of `meta` that is there when an engine was closed while receivers held messages. */
const handOverRow = "held";

function isHeld({ active }: Queue): boolean {
  if (active === undefined) return false;
  return [...active.held.values()].some(({ state }) => state === "held");
}

/** @param awaitsClaims - what is there may be in somebody's hands. */
function loadQueues(core: Core, awaitsClaims: boolean): void {
  const { storage, directory } = core;
  const queues: Queue[] = [];
  for (let after: string | undefined = ""; after !== undefined; ) {
    const rows = storage.scanNamed("queue", "", after, { rows: 1_024 });
    for (const { name, value } of rows) {
      const queue = new Queue(name, core);
      decodeQueue(queue, value);
      if (awaitsClaims && queue.live > 0) {
        queue.recovered = queue.next;
        const { suspectsMax } = core.limits;
        if (storage.unclean) queue.suspects = new Suspects(storage.epoch, suspectsMax);
      }
      queues.push(queue);
    }
    after = rows.at(-1)?.name;
  }
  // In the order of declaration, as they were before.
  queues.sort((a, b) => a.number - b.number);
  for (const queue of queues) directory.add(queue);
}
