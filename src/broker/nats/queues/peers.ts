/**
 * What clients ask and tell one another about queues, over core NATS. Nothing of it has to arrive: what
 * must be known later is in the records.
 */
import type { ErrorInfo } from "../../../errors.ts";
import { hearing, type NatsMessage, type NatsSubscription } from "../client.ts";
import type { NatsLink } from "../connection.ts";
import { jsonObject } from "../json-object.ts";
import type { QueueSubjects } from "./subjects.ts";

/** Questions to a client that receives from a queue. */
export type PeerQuestion =
  /** Which of the messages it has in hand. */
  | { readonly op: "held"; readonly queue: string; readonly positions: readonly number[] }
  /** All that its receivers have, and how many they are. */
  | { readonly op: "holding"; readonly queue: string }
  | { readonly op: "key"; readonly queue: string; readonly name: string }
  /** The message is final: whoever has it is told. */
  | {
      readonly op: "cancelled";
      readonly queue: string;
      readonly position: number;
      readonly reason: ErrorInfo;
    }
  | { readonly op: "withdraw"; readonly queue: string; readonly position: number }
  | {
      readonly op: "input";
      readonly queue: string;
      readonly position: number;
      readonly number: number;
      /** Base 64. */
      readonly data: string;
    }
  /** How far the message is. `follower`: who is to be told what becomes of it. */
  | {
      readonly op: "state";
      readonly queue: string;
      readonly position: number;
      readonly follower?: string;
      /** The holder is asked, where it can be. */
      readonly look: boolean;
    }
  | { readonly op: "removed"; readonly queue: string }
  /** From a holder to one who follows; not answered. */
  | {
      readonly op: "news";
      readonly queue: string;
      readonly position: number;
      readonly state: PeerState;
    };

/** As a state of a message, with bytes in base 64. */
export interface PeerState {
  readonly state: string;
  readonly attempts: {
    readonly failures: number;
    readonly pickups: number;
    readonly crashes: number;
  };
  readonly progress?: string;
  readonly number?: number;
  readonly question?: string;
}

export interface PeerAnswer {
  readonly positions?: readonly number[];
  readonly receivers?: number;
  readonly held?: boolean;
  readonly decision?: "too-late" | "returned" | "over";
  readonly state?: PeerState;
}

export type AnswerPeer = (question: PeerQuestion) => Promise<PeerAnswer> | PeerAnswer;

const encoder = new TextEncoder();

export class Peers {
  readonly #link: NatsLink;
  readonly #subjects: QueueSubjects;
  readonly #answer: AnswerPeer;
  readonly #subscription: NatsSubscription;

  constructor(link: NatsLink, subjects: QueueSubjects, clientId: string, answer: AnswerPeer) {
    this.#link = link;
    this.#subjects = subjects;
    this.#answer = answer;
    this.#subscription = link.client.subscribe(
      subjects.client(clientId),
      hearing((error, message) => {
        if (error === null) void this.#asked(message);
      }),
    );
  }

  /** Undefined when the client is gone, or does not answer in time. */
  async ask(
    client: string,
    question: PeerQuestion,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<PeerAnswer | undefined> {
    const patience = new AbortController();
    const timer = this.#link.clock.setTimer(timeoutMs, () => patience.abort());
    const both =
      signal === undefined ? patience.signal : AbortSignal.any([patience.signal, signal]);
    try {
      const payload = encoder.encode(JSON.stringify(question));
      const options = { what: `queues.${question.op}`, signal: both };
      const { data } = await this.#link.requestOnce(
        this.#subjects.client(client),
        payload,
        options,
      );
      return jsonObject(data);
    } catch {
      return undefined;
    } finally {
      timer.cancel();
    }
  }

  tell(client: string, news: PeerQuestion): void {
    if (!this.#link.isReady) return;
    this.#link.publish(this.#subjects.client(client), encoder.encode(JSON.stringify(news)));
  }

  close(): void {
    this.#subscription.unsubscribe();
  }

  async #asked({ data, reply }: NatsMessage): Promise<void> {
    try {
      const question = jsonObject(data) as PeerQuestion | undefined;
      if (question === undefined) return;
      const answer = await this.#answer(question);
      if (reply === undefined || reply === "" || !this.#link.isReady) return;
      this.#link.publish(reply, encoder.encode(JSON.stringify(answer)));
    } catch {
      // Who has asked goes on without an answer.
    }
  }
}
