/**
 * Networks as of several processes, each a client of one hub over a network in memory, on a clock moved
 * by hand: links can be cut, hubs replaced, and processes silenced as if they had been killed.
 */
import { join, type Network } from "colloquy";
import { openHubBroker } from "../../src/broker/hub.ts";
import { type MemoryBroker, openMemoryBroker } from "../../src/broker/memory.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { Listener } from "../../src/link/link.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { MemoryNetwork } from "../../src/testing/memory-network.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

export class HubFabric {
  readonly clock: VirtualClock = new VirtualClock();
  readonly random: SeededRandom = new SeededRandom(11);
  readonly network: MemoryNetwork = new MemoryNetwork({
    clock: this.clock,
    random: this.random,
    conditions: { latencyMs: 1 },
  });
  /** Failures that belonged to no caller. */
  readonly errors: unknown[] = [];
  readonly #members: Network[] = [];
  readonly #dead = new Set<Network>();
  #hub: Hub | undefined;
  #listener: Listener | undefined;
  #store: MemoryBroker | undefined;

  /** Opens a hub, or one in the place of the last, which is gone with everything in its memory. */
  async openHub(): Promise<void> {
    const { clock } = this;
    this.#store = openMemoryBroker({ clock });
    const hub = new Hub({ broker: this.#store, clock, id: "hub" });
    this.#hub = hub;
    this.#listener = await this.network.listen("hub", (link) => hub.accept(link));
  }

  /** The hub's process is gone, from one moment to the next. */
  async killHub(): Promise<void> {
    await this.#listener?.close();
    this.network.cut("hub");
  }

  /** @param name - of the process, which is also its host in the network. */
  async join(name: string): Promise<Network> {
    const { clock, random, network } = this;
    const connect = network.connect("hub", name);
    const broker = await this.until(openHubBroker({ connect, clock, random, name }));
    const member = await this.until(
      join({
        broker,
        clock,
        random: new SeededRandom(100 + this.#members.length),
        drainOnSignals: false,
        onError: (error) => this.errors.push(error),
      }),
    );
    this.#members.push(member);
    return member;
  }

  /** Nothing comes from that process any more; the hub knows a second later. */
  kill(name: string, member: Network): void {
    this.#dead.add(member);
    this.network.block(name, "hub");
    this.network.block("hub", name);
    this.network.cut(name);
  }

  until<Value>(promise: Promise<Value>): Promise<Value> {
    return this.clock.until(promise);
  }

  async close(): Promise<void> {
    const living = this.#members.filter((member) => !this.#dead.has(member));
    await this.until(Promise.all(living.map((member) => member.close())));
    this.network.heal();
    await this.until(Promise.all([...this.#dead].map((member) => member.close())));
    await this.until((this.#hub as Hub).close());
  }
}

export async function openHubFabric(): Promise<HubFabric> {
  const fabric = new HubFabric();
  await fabric.openHub();
  return fabric;
}
