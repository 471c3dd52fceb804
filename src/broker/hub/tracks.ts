/** Messages whose state somebody here wants to know; asked of the next session when a link breaks. */
import { type ColloquyError, errorFromInfo } from "../../errors.ts";
import type { FrameOutput } from "../../link/frame-output.ts";
import { type Frame, frameTypes } from "../../message/frame.ts";
import { cancelledError, onAbort } from "../../runtime/abort.ts";
import { HashTable } from "../../runtime/hash-table.ts";
import type { MessageState, TrackOptions } from "../broker.ts";
import { finalStates } from "../life-cycle.ts";
import type { HubConnection, SessionPart } from "./connection.ts";
import { writeNumbered } from "./operations/numbered.ts";
import { readTracked, type TrackOperation, writeTrack } from "./operations/track.ts";

interface Track extends TrackOperation {
  readonly onChange: ((state: MessageState) => void) | undefined;
  readonly resolve: (state: MessageState) => void;
  readonly reject: (error: unknown) => void;
  stopListening: () => void;
}

export class Tracks implements SessionPart {
  readonly #connection: HubConnection;
  readonly #open = new HashTable<number, Track>();
  #numbers = 0;

  constructor(connection: HubConnection) {
    this.#connection = connection;
    connection.handle(frameTypes.TRACKED, (frame) => this.#tell(frame));
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
      const asked = { number, queue, position, wait, follow };
      const track = { ...asked, onChange, resolve, reject, stopListening };
      this.#open.set(number, track);
      if (output !== undefined) ask(track, output);
    });
  }

  begun(output: FrameOutput): void {
    for (const track of this.#open.values()) ask(track, output);
  }

  closed(error: ColloquyError): void {
    for (const { stopListening, reject } of this.#open.values()) {
      stopListening();
      reject(error);
    }
    this.#open.clear();
  }

  #tell(frame: Frame): void {
    const { number, tracked } = readTracked(frame);
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
    if (output === undefined) return;
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
