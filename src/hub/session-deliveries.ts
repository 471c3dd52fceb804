/**
 * Durable deliveries to one session: as many as its receivers have credit for and its link takes. How
 * they end with the session is for its broker to say: it depends on whether the client has vanished.
 */

import type { Broker, Notice } from "../broker/broker.ts";
import { writeNotice } from "../broker/hub/operations/notice.ts";
import { readNumbered } from "../broker/hub/operations/numbered.ts";
import {
  type ReceiveOperation,
  readReceive,
  writeDeliver,
  writeEnded,
} from "../broker/hub/operations/receive.ts";
import { ColloquyError, errorInfo, isColloquyError } from "../errors.ts";
import { type Frame, frameTypes } from "../message/frame.ts";
import { checkUnused, tooManyOpen } from "./limits.ts";
import type { SessionContext } from "./session-port.ts";

/** A session ends where a notice finds so many times what its link may have waiting. */
const noticeBacklogs = 2;

export class SessionDeliveries {
  readonly #session: SessionContext;
  readonly #broker: Broker;
  readonly #receivers = new Map<number, AbortController>();

  constructor(session: SessionContext, broker: Broker) {
    this.#session = session;
    this.#broker = broker;
    session.handleInOrder(frameTypes.RECEIVE, (frame) => this.#receive(frame));
    session.handleInOrder(frameTypes.CANCEL, (frame) => {
      this.#receivers.get(readNumbered(frame))?.abort();
    });
  }

  /** Ends every receiver as one whose process is gone. */
  abandon(): void {
    const gone = new ColloquyError("AGENT_UNREACHABLE", "the receiver has vanished");
    for (const receiver of this.#receivers.values()) receiver.abort(gone);
  }

  #receive(frame: Frame): void {
    const receive = readReceive(frame);
    checkUnused("receiver", this.#receivers.has(receive.receiver));
    const problem = tooManyOpen("receivers", this.#receivers.size, this.#session.limits);
    if (problem !== undefined) return this.#tellEnd(receive.receiver, problem);
    const controller = new AbortController();
    this.#receivers.set(receive.receiver, controller);
    const delivering = this.#deliver(receive, controller.signal).finally(() =>
      this.#receivers.delete(receive.receiver),
    );
    this.#session.guard(delivering);
  }

  async #deliver(receive: ReceiveOperation, signal: AbortSignal): Promise<void> {
    const { receiver, queue, hearsNotices, ...rest } = receive;
    const { output, limits } = this.#session;
    const onNotice = (notice: Notice): void => {
      // None may be lost while the link stands; who claims what it holds is told again. Less than this
      // is what a slow reader of something else has waiting.
      if (output.backlogBytes >= noticeBacklogs * limits.backlogBytesMax) {
        return this.#session.destroy();
      }
      writeNotice(output.control, receiver, notice);
      output.written();
    };
    const options = hearsNotices ? { ...rest, onNotice } : rest;
    try {
      for await (const batch of this.#broker.queues.receive(queue, options, signal)) {
        for (const delivery of batch) {
          writeDeliver(output.data, receiver, delivery);
          output.written();
        }
        if (output.backlogBytes >= limits.deliveryBacklogBytesMax) await output.drained();
      }
    } catch (error) {
      // A store that failed has a successor, where the receiver goes on.
      if (isColloquyError(error, "STORE_FAILED")) throw error;
      this.#tellEnd(receiver, error);
    }
  }

  #tellEnd(receiver: number, error: unknown): void {
    const { output } = this.#session;
    writeEnded(output.data, receiver, errorInfo(error));
    output.written();
  }
}
