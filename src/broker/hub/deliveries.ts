/** The receiving side of durable work: who receives, and what each has in hand. */
import { type ColloquyError, errorFromInfo } from "../../errors.ts";
import type { FrameOutput } from "../../link/frame-output.ts";
import { type Frame, frameTypes } from "../../message/frame.ts";
import { onAbort } from "../../runtime/abort.ts";
import { AsyncQueue } from "../../runtime/async-queue.ts";
import { HashTable } from "../../runtime/hash-table.ts";
import type { Claim, Delivery, ReceiveOptions } from "../broker.ts";
import type { HubConnection, SessionPart } from "./connection.ts";
import { writeResumed } from "./operations/greeting.ts";
import { readNotice, readNoticeReceiver } from "./operations/notice.ts";
import { writeNumbered } from "./operations/numbered.ts";
import { readDeliver, readDeliverReceiver, readEnded, writeReceive } from "./operations/receive.ts";

interface Receiver {
  readonly number: number;
  readonly queue: string;
  readonly options: ReceiveOptions;
  readonly batches: AsyncQueue<readonly Delivery[]>;
  /** Deliveries that arrived and are not settled, by position: claimed when a session begins. */
  readonly held: HashTable<number, Claim>;
  /** What the present chunk brought. */
  batch: Delivery[];
  stopListening?: () => void;
}

export class Deliveries implements SessionPart {
  readonly #connection: HubConnection;
  readonly #receivers = new Map<number, Receiver>();
  readonly #byQueue = new Map<string, Set<Receiver>>();
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
    const batches = new AsyncQueue<readonly Delivery[]>({ onStop: () => this.#cancel(receiver) });
    const held = new HashTable<number, Claim>();
    for (const claim of options.claims ?? []) held.set(claim.position, claim);
    const number = ++this.#numbers;
    const receiver: Receiver = { number, queue, options, batches, held, batch: [] };
    if (failure !== undefined) {
      batches.fail(failure);
      return batches;
    }
    this.#receivers.set(number, receiver);
    const others = this.#byQueue.get(queue);
    if (others === undefined) this.#byQueue.set(queue, new Set([receiver]));
    else others.add(receiver);
    const { output } = this.#connection;
    if (output !== undefined) this.#announce(receiver, output);
    receiver.stopListening = onAbort(signal, () => {
      this.#cancel(receiver);
      batches.takeAll();
      batches.end();
    });
    return batches;
  }

  /** The delivery of this settlement is no longer in hand. */
  release({ queue, position, fence }: Claim): void {
    const receivers = this.#byQueue.get(queue);
    if (receivers === undefined) return;
    for (const { held } of receivers) {
      if (held.get(position)?.fence !== fence) continue;
      held.delete(position);
      return;
    }
  }

  begun(output: FrameOutput): void {
    for (const receiver of this.#receivers.values()) this.#announce(receiver, output);
    writeResumed(output.data);
    output.written();
  }

  closed(error: ColloquyError): void {
    for (const { batches } of this.#receivers.values()) {
      batches.takeAll();
      batches.fail(error);
    }
    this.#receivers.clear();
    this.#byQueue.clear();
  }

  #announce({ number, queue, options, held }: Receiver, output: FrameOutput): void {
    const { credit, consumer } = options;
    const claims = held.values();
    const hearsNotices = options.onNotice !== undefined;
    writeReceive(output.data, { receiver: number, queue, credit, consumer, claims, hearsNotices });
    output.written();
  }

  #deliver(frame: Frame): void {
    const receiver = this.#receivers.get(readDeliverReceiver(frame));
    // On its way when the receiver stopped; the hub takes it back by itself.
    if (receiver === undefined) return;
    const delivery = readDeliver(frame, receiver.queue);
    receiver.held.set(delivery.position, delivery);
    if (receiver.batch.length === 0) this.#filled.push(receiver);
    receiver.batch.push(delivery);
  }

  #notice(frame: Frame): void {
    const receiver = this.#receivers.get(readNoticeReceiver(frame));
    receiver?.options.onNotice?.(readNotice(frame, receiver.queue));
  }

  #yield(): void {
    if (this.#filled.length === 0) return;
    for (const receiver of this.#filled.splice(0)) {
      receiver.batches.push(receiver.batch);
      receiver.batch = [];
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

  #cancel(receiver: Receiver): void {
    if (!this.#forget(receiver)) return;
    const { output } = this.#connection;
    if (output === undefined) return;
    writeNumbered(output.data, frameTypes.CANCEL, receiver.number);
    output.written();
  }

  /** @returns false when it was forgotten before. */
  #forget(receiver: Receiver): boolean {
    const { number, queue } = receiver;
    if (!this.#receivers.delete(number)) return false;
    receiver.stopListening?.();
    const others = this.#byQueue.get(queue);
    others?.delete(receiver);
    if (others?.size === 0) this.#byQueue.delete(queue);
    return true;
  }
}
