/** Messages whose state somebody here wants to know; asked of the next session when a link breaks. */
import { type ColloquyError, errorFromInfo } from "../../errors.ts";
import type { FrameOutput } from "../../link/frame-output.ts";
import { frameTypes } from "../../message/frame.ts";
import { cancelledError, onAbort } from "../../runtime/abort.ts";
import { HashTable } from "../../runtime/hash-table.ts";
import type { MessageState, TrackOptions } from "../broker.ts";
import { finalStates } from "../life-cycle.ts";
import type { HubConnection, SessionPart } from "./connection.ts";
import { readFinal, writeAwait } from "./operations/await.ts";
import { writeNumbered } from "./operations/numbered.ts";
import { readTracked, type Tracked, type TrackOperation, writeTrack } from "./operations/track.ts";

interface Track extends TrackOperation {
  readonly onChange: ((state: MessageState) => void) | undefined;
  readonly resolve: (state: MessageState) => void;
  readonly reject: (error: unknown) => void;
  stopListening: () => void;
}

const done: MessageState = Object.freeze({ state: "done" });

export class Tracks implements SessionPart {
  readonly #connection: HubConnection;
  readonly #open = new HashTable<number, Track>();
  /** Those of this turn who wait for an end: they are asked for in one frame for each queue. */
  #awaited: Track[] = [];
  #numbers = 0;

  constructor(connection: HubConnection) {
    this.#connection = connection;
    const tellDone = (number: number): void => this.#tell(number, done);
    connection.handle(frameTypes.TRACKED, (frame) => {
      const { number, tracked } = readTracked(frame);
      this.#tell(number, tracked);
    });
    connection.handle(frameTypes.FINAL, (frame) => readFinal(frame, tellDone));
    connection.add(this);
  }

  track(queue: string, position: number, options: TrackOptions): Promise<MessageState> {
    const { wait = false, onChange, signal } = options;
    const follow = wait && onChange !== undefined;
    const { failure, output } = this.#connection;
    if (failure !== undefined) return Promise.reject(failure);
    if (signal?.aborted === true) return Promise.reject(cancelledError(signal));
    return new Promise((resolve, reject) => {
      const number = ++this.#numbers;
      const stopListening = onAbort(signal, () => this.#giveUp(number, signal as AbortSignal));
      const track: Track = {
        number,
        queue,
        position,
        wait,
        follow,
        onChange,
        resolve,
        reject,
        stopListening,
      };
      this.#open.set(number, track);
      if (wait && !follow) this.#await(track);
      else if (output !== undefined) ask(track, output);
    });
  }

  begun(output: FrameOutput): void {
    const awaited: Track[] = [];
    for (const track of this.#open.values()) {
      if (track.wait && !track.follow) awaited.push(track);
      else ask(track, output);
    }
    this.#awaited = awaited.sort((a, b) => a.number - b.number);
    this.#askAwaited(output);
  }

  closed(error: ColloquyError): void {
    for (const { stopListening, reject } of this.#open.values()) {
      stopListening();
      reject(error);
    }
    this.#open.clear();
  }

  #await(track: Track): void {
    if (this.#awaited.length === 0) {
      queueMicrotask(() => {
        const { output } = this.#connection;
        // Without a session the next one will ask.
        if (output !== undefined) this.#askAwaited(output);
        else this.#awaited = [];
      });
    }
    this.#awaited.push(track);
  }

  #askAwaited(output: FrameOutput): void {
    // Who has given up meanwhile is not asked for, and so need not be taken back.
    const awaited = this.#awaited.filter((track) => this.#open.get(track.number) === track);
    this.#awaited = [];
    for (let from = 0; from < awaited.length; ) {
      const { queue } = awaited[from] as Track;
      let to = from + 1;
      while (awaited[to]?.queue === queue) to++;
      writeAwait(output.data, queue, awaited.slice(from, to));
      output.written();
      from = to;
    }
  }

  #tell(number: number, tracked: Tracked): void {
    const open = this.#open.get(number);
    if (open?.follow === true && tracked.state !== "error" && isLive(tracked)) {
      open.onChange?.(tracked);
      return;
    }
    const track = this.#open.delete(number);
    if (track === undefined) return;
    track.stopListening();
    if (tracked.state === "error") track.reject(errorFromInfo(tracked.error));
    else track.resolve(tracked);
  }

  #giveUp(number: number, signal: AbortSignal): void {
    this.#open.delete(number)?.reject(cancelledError(signal));
    const { output } = this.#connection;
    if (output === undefined || this.#awaited.some((track) => track.number === number)) return;
    writeNumbered(output.data, frameTypes.UNTRACK, number);
    output.written();
  }
}

function isLive({ state }: MessageState): boolean {
  return state !== "unknown" && !finalStates.has(state);
}

function ask(track: Track, output: FrameOutput): void {
  writeTrack(output.data, track);
  output.written();
}
