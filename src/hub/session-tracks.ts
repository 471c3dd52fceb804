/** Messages whose state one client wants to know. */
import type { Broker, MessageState } from "../broker/broker.ts";
import { readAwait, writeFinal } from "../broker/hub/operations/await.ts";
import { readNumbered } from "../broker/hub/operations/numbered.ts";
import {
  readTrack,
  type Tracked,
  type TrackOperation,
  writeTracked,
} from "../broker/hub/operations/track.ts";
import { errorInfo, isColloquyError } from "../errors.ts";
import { frameTypes } from "../message/frame.ts";
import { HashTable } from "../runtime/hash-table.ts";
import { checkUnused, tooManyOpen } from "./limits.ts";
import type { SessionContext, SessionPort } from "./session-port.ts";

/**
 * Questions under one signal: one of its own for each would cost more than the question. When one is
 * taken back, the others of its group are asked again.
 */
class Group {
  readonly controller = new AbortController();
  readonly tracks: Track[] = [];
}

interface Track extends TrackOperation {
  group: Group;
}

const groupMax = 64;

export class SessionTracks implements SessionPort {
  readonly #session: SessionContext;
  readonly #broker: Broker;
  readonly #open = new HashTable<number, Track>();
  #group = new Group();
  /** Numbers of messages that are done, told in one frame. */
  #done: number[] = [];
  /** Asked again once the client has read: meanwhile their results are kept in the store alone. */
  readonly #postponed = new Set<Track>();
  #pacing = false;

  constructor(session: SessionContext, broker: Broker) {
    this.#session = session;
    this.#broker = broker;
    session.handle(frameTypes.TRACK, (frame) => this.#begin(readTrack(frame)));
    const begin = (number: number, queue: string, position: number): void =>
      this.#begin({ number, queue, position, wait: true, follow: false });
    session.handle(frameTypes.AWAIT, (frame) => readAwait(frame, begin));
    session.handle(frameTypes.UNTRACK, (frame) => this.#takeBack(readNumbered(frame)));
  }

  end(): void {
    for (const { group } of this.#open.values()) group.controller.abort();
    this.#open.clear();
    this.#postponed.clear();
  }

  #begin(track: TrackOperation): void {
    const { output, limits } = this.#session;
    checkUnused("number", this.#open.has(track.number));
    this.#session.spend(1);
    const problem = tooManyOpen("tracked messages", this.#open.size, limits);
    if (problem === undefined) return void this.#ask(track);
    writeTracked(output.data, track.number, { state: "error", error: problem.toJSON() });
    output.written();
  }

  /** Resolves when it was told, or postponed. */
  #ask({ number, queue, position, wait, follow }: TrackOperation): Promise<void> {
    if (this.#group.tracks.length === groupMax) this.#group = new Group();
    const group = this.#group;
    const track = { number, queue, position, wait, follow, group };
    group.tracks.push(track);
    this.#open.set(number, track);
    const { signal } = group.controller;
    const options = follow
      ? { wait, signal, onChange: (state: MessageState) => this.#change(track, state) }
      : { wait, signal };
    return this.#broker.queues.track(queue, position, options).then(
      (state) => this.#tell(track, state),
      (error: unknown) => {
        // A broker that is closed answers nobody: clients ask its successor again.
        if (signal.aborted || isColloquyError(error, "CLOSED")) return;
        this.#tell(track, { state: "error", error: errorInfo(error) });
      },
    );
  }

  #change(track: Track, state: MessageState): void {
    if (this.#open.get(track.number) !== track || this.#postpone(track)) return;
    const { output } = this.#session;
    writeTracked(output.data, track.number, state);
    output.written();
  }

  /** @returns true where so much waits for the client that it is told later how the message is then. */
  #postpone(track: Track): boolean {
    const { output, limits } = this.#session;
    if (output.backlogBytes < limits.backlogBytesMax) return false;
    this.#postponed.add(track);
    if (!this.#pacing) this.#session.guard(this.#pace());
    return true;
  }

  /** One after the other, each when there is room again: results must not pile up here instead. */
  async #pace(): Promise<void> {
    const { output, limits } = this.#session;
    this.#pacing = true;
    for (const track of this.#postponed) {
      await output.below(limits.backlogBytesMax);
      this.#postponed.delete(track);
      if (this.#open.get(track.number) !== track) continue;
      const told = this.#ask(track);
      if (!track.follow) await told;
    }
    this.#pacing = false;
  }

  #tell(track: Track, tracked: Tracked): void {
    const { number } = track;
    if (this.#open.get(number) !== track) return;
    if ("result" in tracked && tracked.result !== undefined && this.#postpone(track)) return;
    this.#open.delete(number);
    if (track.wait && tracked.state === "done" && tracked.result === undefined) {
      if (this.#done.length === 0) queueMicrotask(() => this.#tellDone());
      this.#done.push(number);
      return;
    }
    const { output } = this.#session;
    writeTracked(output.data, number, tracked);
    output.written();
  }

  /** Those of one group come one after the other, each in a microtask of its own. */
  #tellDone(): void {
    const numbers = this.#done;
    this.#done = [];
    const { output } = this.#session;
    writeFinal(output.data, numbers);
    output.written();
  }

  #takeBack(number: number): void {
    const { group } = this.#open.delete(number) ?? {};
    if (group === undefined) return;
    group.controller.abort();
    this.#session.spend(group.tracks.length);
    if (this.#group === group) this.#group = new Group();
    for (const other of group.tracks) {
      if (this.#open.get(other.number) === other) void this.#ask(other);
    }
  }
}
