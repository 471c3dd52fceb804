/**
 * Settlements that the hub has not answered; sent again, after the claims, when a link broke before.
 * A hub that has taken over knows that a message is final, and not by whom.
 */
import type { ColloquyError } from "../../errors.ts";
import type { FrameOutput } from "../../link/frame-output.ts";
import { frameTypes } from "../../message/frame.ts";
import { tooLarge } from "../../message/invalid.ts";
import type { Effect, Settlement, SettleOutcome } from "../broker.ts";
import { unclearSettlement } from "../unclear.ts";
import type { HubConnection, SessionPart } from "./connection.ts";
import { operationBytesMax } from "./operations/limits.ts";
import { readSettled, writeSettle } from "./operations/settle.ts";
import { Window } from "./window.ts";

interface Call {
  readonly outcomes: SettleOutcome[];
  left: number;
  readonly resolve: (outcomes: readonly SettleOutcome[]) => void;
}

interface Sent {
  readonly settlement: Settlement;
  readonly call: Call;
  readonly index: number;
  /** How often. */
  sent: number;
}

/** Told of every settlement after which a delivery is no longer in hand. */
export type Released = (settlement: Settlement) => void;

export class Settlements implements SessionPart {
  readonly #connection: HubConnection;
  readonly #released: Released;
  readonly #sent = new Window<Sent>(1);

  constructor(connection: HubConnection, released: Released) {
    this.#connection = connection;
    this.#released = released;
    const tell = (number: number, outcome: SettleOutcome): void => this.#tell(number, outcome);
    connection.handle(frameTypes.SETTLED, (frame) => readSettled(frame, tell));
    connection.add(this);
  }

  settle(settlements: readonly Settlement[]): Promise<readonly SettleOutcome[]> {
    const { failure } = this.#connection;
    if (failure !== undefined) return Promise.reject(failure);
    if (settlements.length === 0) return Promise.resolve([]);
    return new Promise((resolve) => this.#send(settlements, resolve));
  }

  begun(output: FrameOutput): void {
    for (const [number, sent] of this.#sent.entries()) write(number, sent, output);
  }

  closed(error: ColloquyError): void {
    const outcome: SettleOutcome = { kind: "indeterminate", error: error.toJSON() };
    for (const { call, index } of this.#sent.takeAll()) finish(call, index, outcome);
  }

  #send(settlements: readonly Settlement[], resolve: Call["resolve"]): void {
    const { length } = settlements;
    const call: Call = { outcomes: new Array<SettleOutcome>(length), left: length, resolve };
    const { output } = this.#connection;
    for (let index = 0; index < length; index++) {
      const settlement = settlements[index] as Settlement;
      const problem = sizeProblem(settlement);
      if (problem !== undefined) {
        finish(call, index, { kind: "refused", error: problem.toJSON() });
        continue;
      }
      const sent: Sent = { settlement, call, index, sent: 0 };
      const number = this.#sent.add(sent);
      if (output !== undefined) write(number, sent, output);
    }
  }

  #tell(number: number, outcome: SettleOutcome): void {
    const sent = this.#sent.take(number);
    if (sent === undefined) return;
    // Refused: nothing was kept and the lease stands, so that it can be settled otherwise.
    if (outcome.kind !== "refused") this.#released(sent.settlement);
    const unclear = outcome.kind === "stale" && sent.sent > 1;
    finish(sent.call, sent.index, unclear ? unclearSettlement : outcome);
  }
}

function write(number: number, sent: Sent, output: FrameOutput): void {
  sent.sent++;
  writeSettle(output.data, number, sent.settlement);
  output.written();
}

function finish(call: Call, index: number, outcome: SettleOutcome): void {
  call.outcomes[index] = outcome;
  if (--call.left === 0) call.resolve(call.outcomes);
}

/** Room beside the bytes of an effect for its names and numbers. */
const effectBytes = 4_096;

/** A settlement travels in one frame, because it commits as one. */
function sizeProblem({ outcome, effects }: Settlement): ColloquyError | undefined {
  if (effects === undefined && !(outcome.kind === "done" && outcome.result)) return undefined;
  let bytes = outcome.kind === "done" ? (outcome.result?.length ?? 0) : 0;
  for (const effect of effects ?? []) bytes += effectBytes + bytesOf(effect);
  if (bytes <= operationBytesMax) return undefined;
  return tooLarge("settlement", operationBytesMax, "bytes", bytes);
}

function bytesOf(effect: Effect): number {
  switch (effect.kind) {
    case "enqueue":
      return effect.message.frame.length;
    case "publish":
      return effect.frame.length;
    case "put":
      return effect.value?.length ?? 0;
    case "append":
      return effect.entries.reduce((sum, entry) => sum + 4 + entry.length, 0);
  }
}
