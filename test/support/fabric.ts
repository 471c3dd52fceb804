/** Several networks, as of several processes, over one broker in memory, on a clock moved by hand. */
import { type JoinOptions, join, type Network } from "colloquy";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

export interface Fabric {
  readonly clock: VirtualClock;
  readonly networks: readonly Network[];
  /** Failures that belonged to no caller. */
  readonly errors: unknown[];
  /** Moves the clock until the promise settles. */
  until<Value>(promise: Promise<Value>): Promise<Value>;
  close(): Promise<void>;
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
  const clock = new VirtualClock();
  const errors: unknown[] = [];
  const broker = openMemoryBroker({ clock });
  const networks: Network[] = [];
  const until = <Value>(promise: Promise<Value>) => clock.until(promise);
  for (let index = 0; index < count; index++) {
    const joining = join({
      broker: index === 0 ? broker : broker.connect(),
      clock,
      random: new SeededRandom(100 + index),
      copy: true,
      drainOnSignals: false,
      onError: (error) => errors.push(error),
      ...options,
      ...(spaces[index] === undefined ? {} : { space: spaces[index] }),
    });
    networks.push(await until(joining));
  }
  return {
    clock,
    networks,
    errors,
    until,
    close: () => until(Promise.all(networks.map((network) => network.close())).then(() => {})),
  };
}
