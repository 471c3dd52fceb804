/**
 * Several networks, as of several processes, over one broker: in memory on a clock moved by hand, or,
 * after `overBroker`, over that broker and in real time, so that the same tests run there.
 */
import { setTimeout as pause } from "node:timers/promises";
import { type Broker, type JoinOptions, join, type Network } from "colloquy";
import { test, vi } from "vitest";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { type Clock, systemClock } from "../../src/runtime/clock.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

export interface Fabric {
  readonly clock: FabricClock;
  /** Whether the clock is moved by hand: then what takes long takes no time, and times are exact. */
  readonly isVirtual: boolean;
  readonly networks: readonly Network[];
  /** Failures that belonged to no caller. */
  readonly errors: unknown[];
  /** Moves the clock until the promise settles. */
  until<Value>(promise: Promise<Value>): Promise<Value>;
  /** Resolves once every network sees the agents of all. */
  acquainted(): Promise<void>;
  /** Moves the clock, as far as it takes and not for ever, until `check` throws no more. */
  eventually(check: () => unknown): Promise<void>;
  close(): Promise<void>;
}

export interface FabricClock extends Clock {
  /** Lets so much time pass. What has happened then is certain on a clock moved by hand alone. */
  advance(ms: number): Promise<void>;
}

/** What a broker has to offer to fabrics: each an empty place of its own. */
export type OpenPlace = () => Promise<Place>;

export interface Place {
  /** As another process would have it. */
  connect(): Promise<Broker>;
  /** Takes away what was kept there; the brokers are closed. */
  remove(): Promise<void>;
}

let openPlace: OpenPlace | undefined;

/** From here on, fabrics of this test file lie over that broker; undefined: over one in memory again. */
export function overBroker(open: OpenPlace | undefined): void {
  openPlace = open;
}

/** A test that needs hours, or to know that nothing more can happen: it runs on virtual time alone. */
export function onVirtualTime(name: string, run: () => Promise<void>): void {
  if (openPlace === undefined) test(name, run);
}

/**
 * @param spaces - of the networks, one after the other; the default space for the rest.
 * @param options - of every network.
 */
export async function openFabric(
  count: number,
  spaces: readonly string[] = [],
  options: JoinOptions = {},
): Promise<Fabric> {
  const time = openPlace === undefined ? virtualTime() : realTime;
  const { clock, until } = time;
  const place = openPlace === undefined ? memoryPlace(clock) : await openPlace();
  const errors: unknown[] = [];
  const networks: Network[] = [];
  const close = async () => {
    await until(Promise.all(networks.map((network) => network.close())));
    await place.remove();
  };
  for (let index = 0; index < count; index++) {
    const joining = join({
      broker: await place.connect(),
      clock,
      random: new SeededRandom(100 + index),
      copy: true,
      drainOnSignals: false,
      ...time.options,
      onError: (error) => errors.push(error),
      ...options,
      ...(spaces[index] === undefined ? {} : { space: spaces[index] }),
    });
    // Refused options: the test has no fabric that it could close.
    const refused = async (error: unknown) => {
      await close();
      throw error;
    };
    networks.push(await until(joining).catch(refused));
  }
  return {
    ...time,
    networks,
    errors,
    acquainted: () =>
      time.eventually(() => {
        const seen = networks.map((network) => network.find({}).map(({ id }) => id));
        const all = new Set(seen.flat());
        const missing = seen.some((each) => new Set(each).size < all.size);
        if (missing) throw new Error("some agents are not seen by every network yet");
      }),
    close,
  };
}

type Time = Pick<Fabric, "clock" | "isVirtual" | "until" | "eventually"> & {
  readonly options?: JoinOptions;
};

/** So often, and so far apart, a fabric on virtual time looks whether something has happened. */
const looksMax = 1_000;
const lookMs = 10;

function virtualTime(): Time {
  const clock = new VirtualClock();
  return {
    clock,
    isVirtual: true,
    until: (promise) => clock.until(promise),
    eventually: async (check) => {
      for (let look = 1; ; look++) {
        await clock.advance(lookMs);
        try {
          await check();
          return;
        } catch (error) {
          if (look === looksMax) throw error;
        }
      }
    },
  };
}

const realTime: Time = {
  // Some handlers of these tests never end.
  options: { drainMs: 200 },
  isVirtual: false,
  clock: Object.assign(Object.create(systemClock) as Clock, {
    advance: async (ms: number) => void (await pause(ms)),
  }),
  until: (promise) => promise,
  eventually: async (check) =>
    void (await vi.waitFor(check, { timeout: 30_000, interval: lookMs })),
};

function memoryPlace(clock: Clock): Place {
  const first = openMemoryBroker({ clock });
  let taken = false;
  return {
    connect: async () => {
      if (taken) return first.connect();
      taken = true;
      return first;
    },
    remove: async () => {},
  };
}
