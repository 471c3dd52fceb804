/** The receiving side of durable work: who receives, and what each has in hand. */
import { type ColloquyError, errorFromInfo } from "../../errors.ts";
import type { FrameOutput } from "../../link/frame-output.ts";
import { type Frame, frameTypes } from "../../message/frame.ts";
import { AbortListener } from "../../runtime/abort.ts";
import { AsyncQueue } from "../../runtime/async-queue.ts";
import { HashTable } from "../../runtime/hash-table.ts";
import type { Claim, Delivery, ReceiveOptions } from "../broker.ts";
import type { HubConnection, SessionPart } from "./connection.ts";
import { writeResumed } from "./operations/greeting.ts";
import { readNotice, readNoticeReceiver } from "./operations/notice.ts";
import { writeNumbered } from "./operations/numbered.ts";
import { readDeliver, readDeliverReceiver, readEnded, writeReceive } from "./operations/receive.ts";

class Receiver extends AbortListener {
  readonly number: number;
  readonly queue: string;
  readonly options: ReceiveOptions;
  readonly batches: AsyncQueue<readonly Delivery[]>;
  /**
   * Deliveries that arrived and are not settled, by position: claimed when a session begins. Made with
   * the first: most receivers of many agents are idle.
   */
  held: HashTable<number, Claim> | undefined;
  /** What the present chunk brought. */
  batch: Delivery[] | undefined;
  readonly #cancel: (receiver: Receiver) => void;

  constructor(
    number: number,
    queue: string,
    options: ReceiveOptions,
    cancel: (receiver: Receiver) => void,
  ) {
    super();
    this.number = number;
    this.queue = queue;
    this.options = options;
    this.batches = new AsyncQueue({ onStop: () => cancel(this) });
    this.#cancel = cancel;
  }

  override aborted(): void {
    this.#cancel(this);
    this.batches.takeAll();
    this.batches.end();
  }
}

export class Deliveries implements SessionPart {
  readonly #connection: HubConnection;
  readonly #receivers = new Map<number, Receiver>();
  /** Who holds a delivery, by its fence: there may be very many receivers of one queue. */
  readonly #holders = new HashTable<number, Receiver>();
  /** Receivers with something in `batch`. */
  readonly #filled: Receiver[] = [];
  #numbers = 0;

  constructor(connection: HubConnection) {
    this.#connection = connection;
    connection.handle(frameTypes.DELIVER, (frame) => this.#deliver(frame));
    connection.handle(frameTypes.NOTICE, (frame) => this.#notice(frame));
    connection.handle(frameTypes.ENDED, (frame) => this.#ended(frame));
    connection.onChunkEnd(() => this.#yield());
    connection.add(this);
  }

  receive(
    queue: string,
    options: ReceiveOptions,
    signal: AbortSignal,
  ): AsyncIterable<readonly Delivery[]> {
    const { failure } = this.#connection;
    const number = ++this.#numbers;
    const receiver = new Receiver(number, queue, options, this.#cancel);
    const { batches } = receiver;
    for (const claim of options.claims ?? []) this.#hold(receiver, claim);
    if (failure !== undefined) {
      batches.fail(failure);
      return batches;
    }
    this.#receivers.set(number, receiver);
    const { output } = this.#connection;
    if (output !== undefined) this.#announce(receiver, output);
    if (signal.aborted) receiver.aborted();
    else receiver.listen(signal);
    return batches;
  }

  /** The delivery of this settlement is no longer in hand. */
  release({ queue, position, fence }: Claim): void {
    const receiver = this.#holders.get(fence);
    if (receiver?.queue !== queue || receiver.held?.get(position)?.fence !== fence) return;
    receiver.held.delete(position);
    this.#holders.delete(fence);
  }

  begun(output: FrameOutput): void {
    for (const receiver of this.#receivers.values()) this.#announce(receiver, output);
    writeResumed(output.data);
    output.written();
  }

  closed(error: ColloquyError): void {
    for (const receiver of this.#receivers.values()) {
      receiver.unlisten();
      receiver.batches.takeAll();
      receiver.batches.fail(error);
    }
    this.#receivers.clear();
    this.#holders.clear();
  }

  #announce({ number, queue, options, held }: Receiver, output: FrameOutput): void {
    const { credit, consumer } = options;
    const claims = held?.values() ?? [];
    const hearsNotices = options.onNotice !== undefined;
    writeReceive(output.data, { receiver: number, queue, credit, consumer, claims, hearsNotices });
    output.written();
  }

  #deliver(frame: Frame): void {
    const receiver = this.#receivers.get(readDeliverReceiver(frame));
    // On its way when the receiver stopped; the hub takes it back by itself.
    if (receiver === undefined) return;
    const delivery = readDeliver(frame, receiver.queue);
    this.#hold(receiver, delivery);
    if (receiver.batch !== undefined) receiver.batch.push(delivery);
    else {
      receiver.batch = [delivery];
      this.#filled.push(receiver);
    }
  }

  #hold(receiver: Receiver, claim: Claim): void {
    receiver.held ??= new HashTable();
    receiver.held.set(claim.position, claim);
    this.#holders.set(claim.fence, receiver);
  }

  #notice(frame: Frame): void {
    const receiver = this.#receivers.get(readNoticeReceiver(frame));
    receiver?.options.onNotice?.(readNotice(frame, receiver.queue));
  }

  #yield(): void {
    if (this.#filled.length === 0) return;
    for (const receiver of this.#filled.splice(0)) {
      receiver.batches.push(receiver.batch ?? []);
      receiver.batch = undefined;
    }
  }

  #ended(frame: Frame): void {
    const { receiver: number, error } = readEnded(frame);
    const receiver = this.#receivers.get(number);
    if (receiver === undefined) return;
    this.#forget(receiver);
    this.#yield();
    receiver.batches.fail(errorFromInfo(error));
  }

  readonly #cancel = (receiver: Receiver): void => {
    if (!this.#forget(receiver)) return;
    const { output } = this.#connection;
    if (output === undefined) return;
    writeNumbered(output.data, frameTypes.CANCEL, receiver.number);
    output.written();
  };

  /** @returns false when it was forgotten before. */
  #forget(receiver: Receiver): boolean {
    if (!this.#receivers.delete(receiver.number)) return false;
    receiver.unlisten();
    for (const { fence } of receiver.held?.values() ?? []) {
      // Another receiver may have claimed it since.
      if (this.#holders.get(fence) === receiver) this.#holders.delete(fence);
    }
    return true;
  }
}
