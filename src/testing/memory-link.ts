/** A link in memory: two pipes, and the two ends that hold them the other way around. */
import { ColloquyError } from "../errors.ts";
import type { Link } from "../link/link.ts";
import { MemoryPipe, type Way } from "./memory-pipe.ts";

export interface LinkPairOptions {
  /** The hosts. */
  readonly from: string;
  readonly to: string;
  readonly there: Way;
  readonly back: Way;
  /** Nothing is on its way any more to an end that listens. May be called again. */
  readonly onOver: () => void;
}

export class LinkPair {
  /** The end of the one who connected, and of the one who accepted. */
  readonly connected: Link;
  readonly accepted: Link;
  readonly #options: LinkPairOptions;
  readonly #there: MemoryPipe;
  readonly #back: MemoryPipe;

  constructor(options: LinkPairOptions) {
    const { from, to, there, back, onOver } = options;
    const onStop = () => this.cut("its reader stopped");
    this.#options = options;
    this.#there = new MemoryPipe({ ...there, onStop, onEnd: onOver });
    this.#back = new MemoryPipe({ ...back, onStop, onEnd: onOver });
    this.connected = new MemoryLink(this, to, this.#there, this.#back);
    this.accepted = new MemoryLink(this, from, this.#back, this.#there);
  }

  between(host: string): boolean {
    return this.#options.from === host || this.#options.to === host;
  }

  pump(): void {
    this.#there.pump();
    this.#back.pump();
  }

  cut(why: string): void {
    const { from, to } = this.#options;
    const broken = () =>
      new ColloquyError("AGENT_UNREACHABLE", `the link between ${from} and ${to} broke: ${why}`);
    this.#there.cut(broken());
    this.#back.cut(broken());
    this.#options.onOver();
  }

  /**
   * Breaks the end of `host` alone, as when its process dies or its machine gives the link up: what it
   * has sent still arrives, and only then does the other end learn of it.
   */
  breakEnd(host: string, why: string): void {
    const { from, to } = this.#options;
    const [out, into] = host === from ? [this.#there, this.#back] : [this.#back, this.#there];
    into.cut(
      new ColloquyError("AGENT_UNREACHABLE", `the link between ${from} and ${to} broke: ${why}`),
    );
    this.endOf(out);
  }

  /** Ends `out` and with it the link, the other way of which is cut: when its end has arrived. */
  endOf(out: MemoryPipe): void {
    if (out.open) out.end();
    else if (!out.underway) this.#options.onOver();
  }
}

class MemoryLink implements Link {
  readonly peer: string;
  readonly #pair: LinkPair;
  readonly #out: MemoryPipe;
  readonly #in: MemoryPipe;
  #closed = false;

  constructor(pair: LinkPair, peer: string, out: MemoryPipe, into: MemoryPipe) {
    this.peer = peer;
    this.#pair = pair;
    this.#out = out;
    this.#in = into;
  }

  send(chunk: Uint8Array): boolean {
    return this.#out.send(chunk);
  }

  drained(): Promise<void> {
    return this.#out.drained();
  }

  receive(): AsyncIterable<Uint8Array> {
    return this.#in.received;
  }

  /** Resolves at once, as a socket does whose bytes the kernel has taken. */
  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    // What was still on its way here is lost: nobody reads it.
    this.#in.received.end();
    this.#in.cut(undefined);
    this.#pair.endOf(this.#out);
    return Promise.resolve();
  }

  destroy(): void {
    this.#pair.cut("it was broken off");
  }
}
