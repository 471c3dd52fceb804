/** A hub in a process of its own, as its attacker sees it, and a client beside him that works on. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type HubBroker, openHubBroker, systemClock, systemRandom } from "colloquy/hub";
import { connectTcp } from "../../src/link/tcp.ts";
import type { Places, Vitals } from "./hub.ts";

const program = fileURLToPath(new URL("./hub.ts", import.meta.url));
/** Between two things that the client asks for. */
const beatMs = 5;
const attemptsMax = 10;

export class Target {
  readonly places: Places;
  readonly #hub: ChildProcess;
  readonly #neighbour: HubBroker;
  /** Answered in the order in which they were asked for. */
  readonly #asking: ((answer: Vitals) => void)[] = [];
  readonly #latencies: number[] = [];
  readonly #work: Promise<void>;
  #working = true;

  private constructor(hub: ChildProcess, places: Places, neighbour: HubBroker) {
    this.places = places;
    this.#hub = hub;
    this.#neighbour = neighbour;
    hub.on("message", (answer: Vitals) => this.#asking.shift()?.(answer));
    this.#work = this.#beat();
  }

  /** @param patienceMs - until the hub ends who has not said who he is. */
  static async open(patienceMs: number): Promise<Target> {
    const hub = fork(program, [`${patienceMs}`]);
    const [places] = (await once(hub, "message")) as [Places];
    return new Target(hub, places, await enter(places.tcp));
  }

  /** Since the last time, where it is of a time. */
  vitals(): Promise<Vitals> {
    const { promise, resolve } = Promise.withResolvers<Vitals>();
    this.#asking.push(resolve);
    this.#hub.send("vitals");
    return promise;
  }

  /** @returns how long the client waited for each of its answers, milliseconds. */
  async close(): Promise<readonly number[]> {
    this.#working = false;
    await this.#work;
    await this.#neighbour.close();
    this.#hub.disconnect();
    return this.#latencies;
  }

  async #beat(): Promise<void> {
    while (this.#working) {
      const begin = performance.now();
      await this.#neighbour.store?.put([{ key: "beat", value: Uint8Array.of(1) }]);
      this.#latencies.push(performance.now() - begin);
      await new Promise((resolve) => setTimeout(resolve, beatMs));
    }
  }
}

/** A hub that stands still for longer than it is patient ends who has just come, who may come again. */
async function enter(port: number): Promise<HubBroker> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await openHubBroker({
        connect: connectTcp({ host: "127.0.0.1", port }),
        clock: systemClock,
        random: systemRandom,
        name: "neighbour",
      });
    } catch (error) {
      if (attempt === attemptsMax) throw error;
    }
  }
}
