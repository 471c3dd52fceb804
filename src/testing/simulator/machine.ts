/**
 * The machine on which all processes of a run live: a disk with the store, and the lock that says who
 * owns it. This is what a directory is for the embedded broker, and what happens here is what
 * src/hub/embedded does with files, sockets and a worker thread: the first to take the lock runs the
 * hub, everybody is its client, and when it ends the others race for the lock.
 */
import { type Engine, openEngine } from "../../broker/engine/engine.ts";
import type { EngineLimits } from "../../broker/engine/limits.ts";
import { type HubBroker, type HubBrokerLimits, openHubBroker } from "../../broker/hub.ts";
import { isColloquyError } from "../../errors.ts";
import { Hub } from "../../hub/hub.ts";
import type { Link, Listener } from "../../link/link.ts";
import { throwIfAborted } from "../../runtime/abort.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Random } from "../../runtime/random.ts";
import { sleep } from "../../runtime/sleep.ts";
import { ulidSource } from "../../runtime/ulid.ts";
import type { MemoryNetwork } from "../memory-network.ts";
import type { SimulatedDisk } from "./disk.ts";
import { DiskStorage } from "./disk-storage.ts";
import { ProcessClock } from "./process-clock.ts";

/** One life of one process, as the machine sees it. */
export interface Tenant {
  /** Its host in the network. */
  readonly host: string;
  /** Whether it takes the lock where nobody has it. */
  readonly mayOwn: boolean;
  readonly clock: ProcessClock;
  readonly random: Random;
}

export interface MachineOptions {
  readonly clock: Clock;
  readonly disk: SimulatedDisk;
  readonly network: MemoryNetwork;
  readonly engineLimits: Partial<EngineLimits>;
  readonly onOwner: (tenant: Tenant) => void;
}

interface Owner {
  readonly tenant: Tenant;
  readonly address: string;
  /** Of the thread of the hub, which can end before its process. */
  readonly clock: ProcessClock;
  readonly storage: DiskStorage;
  readonly engine: Engine;
  readonly hub: Hub;
  listener: Listener | undefined;
}

const clientLimits: Partial<HubBrokerLimits> = { backoffMinMs: 5, backoffMaxMs: 100 };
const retryMs = { min: 5, max: 25 } as const;

export class Machine {
  readonly #options: MachineOptions;
  #owner: Owner | undefined;

  constructor(options: MachineOptions) {
    this.#options = options;
  }

  /** The wall clock of the hub; undefined while nobody runs one. */
  get brokerMs(): number | undefined {
    return this.#owner?.clock.nowMs();
  }

  get ownerHost(): string | undefined {
    return this.#owner?.tenant.host;
  }

  /** Where the present hub listens, which is a host of its own in the network. */
  get hubHost(): string | undefined {
    return this.#owner?.address;
  }

  /** As `openEmbedded` does: a hub that just ends may still take a link, and its successor is near. */
  async openBroker(tenant: Tenant): Promise<HubBroker> {
    const { clock, random, host } = tenant;
    const connect = (signal: AbortSignal) => this.#connect(tenant, signal);
    for (;;) {
      try {
        return await openHubBroker({ connect, clock, random, name: host, limits: clientLimits });
      } catch (error) {
        if (!isColloquyError(error) || !error.retryable) throw error;
      }
    }
  }

  /** The process is gone, with its hub if it ran one. */
  killed(tenant: Tenant): void {
    const owner = this.#owner;
    if (owner?.tenant === tenant) this.#endHub(owner);
  }

  pauseHub(tenant: Tenant): void {
    if (this.#owner?.tenant === tenant) this.#owner.clock.pause();
  }

  resumeHub(tenant: Tenant): void {
    if (this.#owner?.tenant === tenant) this.#owner.clock.resume();
  }

  /** The hub sees the wall clock of its process. */
  setHubClock(tenant: Tenant): void {
    if (this.#owner?.tenant !== tenant) return;
    this.#owner.clock.wallOffsetMs = tenant.clock.wallOffsetMs;
  }

  /** The process leaves in order: what its hub holds for others is handed over. */
  async left(tenant: Tenant): Promise<void> {
    const owner = this.#owner;
    if (owner?.tenant !== tenant) return;
    await owner.listener?.close();
    await owner.hub.close();
    // A disk that is full takes no farewell either: then the next owner finds an unclean end.
    await owner.engine.close({ handOver: true }).catch(() => {});
    if (this.#owner === owner) this.#endHub(owner);
  }

  async #connect(tenant: Tenant, signal: AbortSignal): Promise<Link> {
    const { network } = this.#options;
    const { clock, random, host } = tenant;
    for (;;) {
      throwIfAborted(signal);
      // A killed process goes nowhere, whatever its code believes to be doing.
      if (clock.ended) return await new Promise<never>(() => {});
      if (this.#owner === undefined && tenant.mayOwn) this.#become(tenant);
      const address = this.hubHost;
      try {
        if (address !== undefined) {
          const link = await network.connect(address, host)(signal);
          if (!clock.ended) return link;
          link.destroy();
        }
      } catch (error) {
        if (!isColloquyError(error, "AGENT_UNREACHABLE")) throw error;
      }
      await sleep(clock, retryMs.min + random.float() * (retryMs.max - retryMs.min), signal);
    }
  }

  /** Takes the lock. A store that cannot be opened now (a full disk) is tried again by whoever comes next. */
  #become(tenant: Tenant): void {
    const { clock: base, disk, network, engineLimits, onOwner } = this.#options;
    let storage: DiskStorage;
    try {
      storage = new DiskStorage(disk);
    } catch (error) {
      if (isColloquyError(error)) return;
      throw error;
    }
    const { random, host } = tenant;
    const clock = new ProcessClock(base, random);
    clock.wallOffsetMs = tenant.clock.wallOffsetMs;
    const name = "simulated";
    const engine = openEngine({ storage, clock, random, name, limits: engineLimits });
    const hub = new Hub({ broker: engine, clock, id: ulidSource(clock, random)() });
    const address = `hub at ${host}`;
    network.setConditions(host, address, {});
    network.setConditions(address, host, {});
    const owner: Owner = { tenant, address, clock, storage, engine, hub, listener: undefined };
    this.#owner = owner;
    onOwner(tenant);
    void network
      .listen(address, (link) => hub.accept(link))
      .then((listener) => {
        owner.listener = listener;
      });
    void engine.failed.then(() => {
      if (this.#owner === owner) this.#endHub(owner);
    });
  }

  /** The thread of the hub ends, whatever it was doing. */
  #endHub(owner: Owner): void {
    this.#owner = undefined;
    owner.storage.abandon();
    owner.clock.end();
    this.#options.network.breakEnds(owner.address);
    void owner.listener?.close();
  }
}
