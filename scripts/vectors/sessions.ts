/** Whole sessions, as a hub has them: what a client says, byte for byte, and what it is answered. */
import { writeCall } from "../../src/broker/hub/operations/call.ts";
import { writeEnqueue } from "../../src/broker/hub/operations/enqueue.ts";
import {
  writeGoodbye,
  writeHello,
  writeResumed,
} from "../../src/broker/hub/operations/greeting.ts";
import { writeNumbered } from "../../src/broker/hub/operations/numbered.ts";
import { writeReceive } from "../../src/broker/hub/operations/receive.ts";
import { writeSettle } from "../../src/broker/hub/operations/settle.ts";
import { writePublish, writeSubscribe } from "../../src/broker/hub/operations/topics.ts";
import { writeTrack } from "../../src/broker/hub/operations/track.ts";
import { packValue } from "../../src/exchange/packed.ts";
import { sharedToken } from "../../src/hub/authentication.ts";
import { openSharedMemory } from "../../src/hub/embedded/shared-store.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { Link } from "../../src/link/link.ts";
import { frameTypes } from "../../src/message/frame.ts";
import type { FrameWriter } from "../../src/message/frame-writer.ts";
import { AsyncQueue } from "../../src/runtime/async-queue.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { aCommand, anEvent } from "./messages.ts";
import { queue } from "./queue-frames.ts";
import { hello } from "./session-frames.ts";
import { bytesOf, joined, rawFrame, utf8, written } from "./vector.ts";

export interface SessionVector {
  readonly name: string;
  readonly steps: readonly SessionStep[];
}

/** What a client says, and all that the hub answers before it says more. */
export interface SessionStep {
  /** Which of the clients of this hub. */
  readonly client: number;
  readonly sends: Uint8Array;
  /** To each client by its number. */
  readonly receives: readonly Uint8Array[];
  /** The hub ends the link of the client that spoke. */
  readonly ends: boolean;
}

interface Script {
  readonly name: string;
  readonly token?: string;
  readonly steps: readonly (readonly [client: number, sends: Uint8Array])[];
}

const token = "correct horse battery staple";
const greeting = written((writer) => writeHello(writer, hello));
const resumed = written(writeResumed);
const goodbye = written((writer) => writeGoodbye(writer));
const other = written((writer) =>
  writeHello(writer, { ...hello, incarnation: "01JDTHERTHERTHERTHERTHERTH", name: "other" }),
);

function withCredential(credential: string): Uint8Array {
  return written((writer) => writeHello(writer, { ...hello, credential }));
}

function said(...writes: readonly ((writer: FrameWriter) => void)[]): Uint8Array {
  return written((writer) => {
    for (const write of writes) write(writer);
  });
}

const declare = said((writer) => writeCall(writer, 1, "queues.declare", { queues: [queue] }));
const enqueue = said((writer) =>
  writeEnqueue(writer, 1, 1, queue, {
    frame: aCommand,
    lane: 2,
    guarantee: "at-least-once",
    id: "",
  }),
);

/** Of the first attempt at anything, in a hub that keeps nothing. */
const fence = 2 ** 30 + 1;

const scripts: readonly Script[] = [
  {
    name: "in order: HELLO, WELCOME, RESUMED, PING, PONG, GOODBYE",
    steps: [
      [0, greeting],
      [0, said(writeResumed, (writer) => writeNumbered(writer, frameTypes.PING, 1))],
      [0, goodbye],
    ],
  },
  {
    name: "with the token that the hub asks for",
    token,
    steps: [
      [0, withCredential(token)],
      [0, goodbye],
    ],
  },
  { name: "refused: no token", token, steps: [[0, greeting]] },
  {
    name: "refused: another token",
    token,
    steps: [[0, withCredential("something else, as long")]],
  },
  {
    name: "refused: another version of the protocol",
    steps: [[0, rawFrame(frameTypes.HELLO, utf8(JSON.stringify({ protocol: 2, ...hello })))]],
  },
  {
    name: "refused: another version of frames",
    steps: [[0, bytesOf("02 10 00 00 00000000 00000000")]],
  },
  {
    name: "refused: a frame that is no HELLO",
    steps: [[0, said((writer) => writeNumbered(writer, frameTypes.PING, 1))]],
  },
  { name: "refused: more before WELCOME", steps: [[0, joined(greeting, resumed)]] },
  {
    name: "refused: a header that is too long for a stranger",
    steps: [[0, bytesOf("01 10 00 00 00004001 00000000")]],
  },
  {
    name: "ended: a frame that only hubs send",
    steps: [
      [0, greeting],
      [0, said(writeResumed, (writer) => writeNumbered(writer, frameTypes.UNHEARD, 1))],
    ],
  },
  {
    name: "publications: heard by another, unheard, and not sent back",
    steps: [
      [0, greeting],
      [1, other],
      [0, said(writeResumed, (writer) => writeSubscribe(writer, 1, "market.*"))],
      [1, said(writeResumed, (writer) => writePublish(writer, 1, "market.gold", anEvent, false))],
      [1, said((writer) => writePublish(writer, 2, "weather.north", anEvent, false))],
      [0, said((writer) => writePublish(writer, 1, "market.gold", anEvent, false))],
      [0, said((writer) => writeNumbered(writer, frameTypes.UNSUBSCRIBE, 1))],
      [1, said((writer) => writePublish(writer, 3, "market.gold", anEvent, false))],
    ],
  },
  {
    name: "a command: declared, enqueued, repeated, delivered, settled, tracked",
    steps: [
      [0, greeting],
      [0, resumed],
      [0, enqueue],
      [0, declare],
      [
        0,
        said((writer) =>
          writeEnqueue(writer, 2, 2, queue, {
            frame: aCommand,
            lane: 2,
            guarantee: "at-least-once",
            id: "",
          }),
        ),
      ],
      [
        0,
        said((writer) =>
          writeEnqueue(writer, 2, 2, queue, {
            frame: aCommand,
            lane: 2,
            guarantee: "at-least-once",
            id: "",
          }),
        ),
      ],
      [
        0,
        said((writer) =>
          writeReceive(writer, {
            receiver: 1,
            credit: 1,
            queue,
            consumer: "mailer-1",
            claims: [],
            hearsNotices: true,
          }),
        ),
      ],
      [
        0,
        said((writer) =>
          writeTrack(writer, { number: 1, queue, position: 1, wait: true, follow: false }),
        ),
      ],
      [
        0,
        said((writer) =>
          writeSettle(writer, 1, {
            queue,
            position: 1,
            fence,
            outcome: { kind: "done", result: packValue({ sent: true }) },
          }),
        ),
      ],
      [
        0,
        said((writer) =>
          writeSettle(writer, 2, { queue, position: 1, fence, outcome: { kind: "done" } }),
        ),
      ],
    ],
  },
  {
    name: "calls: an entry put and read, a method that does not exist, parameters that are none",
    steps: [
      [0, greeting],
      [0, resumed],
      [
        0,
        said((writer) =>
          writeCall(writer, 1, "store.put", {
            writes: [{ key: "store/price", value: packValue(42), ifRevision: 0 }],
          }),
        ),
      ],
      [
        0,
        said((writer) =>
          writeCall(writer, 2, "store.get", { keys: ["store/price", "store/none"] }),
        ),
      ],
      [
        0,
        said((writer) =>
          writeCall(writer, 3, "store.put", {
            writes: [{ key: "store/price", value: packValue(43), ifRevision: 0 }],
          }),
        ),
      ],
      [0, said((writer) => writeCall(writer, 4, "store.dance", {}))],
      [0, said((writer) => writeCall(writer, 5, "store.get", { keys: 7 }))],
    ],
  },
];

/** A link whose other end is written down. */
class WrittenLink implements Link {
  readonly peer = "a script";
  readonly #chunks = new AsyncQueue<Uint8Array>();
  #sent: Uint8Array[] = [];
  ended = false;

  says(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
  }

  /** What was sent since it was asked before. */
  take(): Uint8Array {
    const sent = joined(...this.#sent);
    this.#sent = [];
    return sent;
  }

  send(chunk: Uint8Array): boolean {
    if (!this.ended) this.#sent.push(Uint8Array.from(chunk));
    return true;
  }

  async drained(): Promise<void> {}

  receive(): AsyncIterable<Uint8Array> {
    return this.#chunks;
  }

  async close(): Promise<void> {
    this.destroy();
  }

  destroy(): void {
    this.ended = true;
    this.#chunks.end();
  }
}

/** Plays it to a hub of its own, whose clock stands still. */
async function play({ name, token: secret, steps }: Script): Promise<SessionVector> {
  const clock = new VirtualClock();
  const broker = openSharedMemory({ clock });
  const hub = new Hub({
    broker,
    clock,
    id: "01JDHBHBHBHBHBHBHBHBHBHBHB",
    ...(secret === undefined ? {} : { authenticate: sharedToken(secret) }),
  });
  const links: WrittenLink[] = [];
  const played: SessionStep[] = [];
  for (const [client, sends] of steps) {
    let link = links[client];
    if (link === undefined) {
      link = new WrittenLink();
      links.push(link);
      hub.accept(link);
    }
    link.says(sends);
    await clock.settle();
    played.push({ client, sends, receives: links.map((each) => each.take()), ends: link.ended });
  }
  await hub.close();
  await broker.close();
  return { name, steps: played };
}

export async function playedSessions(): Promise<readonly SessionVector[]> {
  const sessions: SessionVector[] = [];
  for (const script of scripts) sessions.push(await play(script));
  return sessions;
}
