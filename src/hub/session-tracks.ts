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
import { checkOpen, checkUnused } from "./limits.ts";
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
  }

  #begin(track: TrackOperation): void {
    checkOpen("tracked messages", this.#open.size, this.#session.limits);
    checkUnused("number", this.#open.has(track.number));
    this.#session.spend(1);
    this.#ask(track);
  }

  #ask({ number, queue, position, wait, follow }: TrackOperation): void {
    if (this.#group.tracks.length === groupMax) this.#group = new Group();
    const group = this.#group;
    const track = { number, queue, position, wait, follow, group };
    group.tracks.push(track);
    this.#open.set(number, track);
    const { signal } = group.controller;
    const options = follow
      ? { wait, signal, onChange: (state: MessageState) => this.#change(track, state) }
      : { wait, signal };
    this.#broker.queues.track(queue, position, options).then(
      (state) => this.#tell(track, state),
      (error: unknown) => {
        // A broker that is closed answers nobody: clients ask its successor again.
        if (signal.aborted || isColloquyError(error, "CLOSED")) return;
        this.#tell(track, { state: "error", error: errorInfo(error) });
      },
    );
  }

  #change(track: Track, state: MessageState): void {
    if (this.#open.get(track.number) !== track) return;
    const { output } = this.#session;
    writeTracked(output.data, track.number, state);
    output.written();
  }

  #tell(track: Track, tracked: Tracked): void {
    const { number } = track;
    if (this.#open.get(number) !== track) return;
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
      if (this.#open.get(other.number) === other) this.#ask(other);
    }
  }
}
