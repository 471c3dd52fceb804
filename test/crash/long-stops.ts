/**
 * Processes that stand still for longer than a hub allows silence, and then go on as if nothing had
 * been: a sender that was given up repeats its sends, a worker settles what was handed to another long
 * ago, and an owner finds everybody gone.
 */
import type { SeededRandom } from "../../src/runtime/random.ts";
import type { Fleet, Member } from "./fleet.ts";

export interface LongStopOptions {
  readonly count: number;
  /** Silence that hubs allow, milliseconds. */
  readonly silenceMs: number;
}

export interface LongStopTally {
  owner: number;
  sender: number;
  worker: number;
  /** All of them together. */
  stoppedMs: number;
}

/** How long, in silences that a hub allows: it looks six times in each, and gives up at the seventh. */
const [shortest, longest] = [1.2, 1.67];

const roles = ["worker", "sender", "owner"] as const;

export class LongStops {
  readonly #fleet: Fleet;
  readonly #random: SeededRandom;
  readonly #options: LongStopOptions;
  readonly #tally: LongStopTally;
  #begun = 0;
  #underWay: Promise<void> | undefined;

  constructor(fleet: Fleet, random: SeededRandom, options: LongStopOptions, tally: LongStopTally) {
    this.#fleet = fleet;
    this.#random = random;
    this.#options = options;
    this.#tally = tally;
  }

  /**
   * One at a time, in turn of the roles. While a sender or a worker stands still the campaign goes on,
   * kills and all; without an owner nothing would, so that one is waited for.
   *
   * @param share - of the campaign that is over, up to 1.
   */
  async beginThoseDue(share: number): Promise<void> {
    if (this.#underWay !== undefined || this.#begun >= this.#options.count * share) return;
    if ((this.#begin() ?? "owner") === "owner") await this.#underWay;
  }

  /** Those that remain, one after the other, until the last one goes on. */
  async rest(): Promise<void> {
    await this.#underWay;
    while (this.#begun < this.#options.count) {
      if (this.#begin() === undefined) await new Promise((resolve) => setTimeout(resolve, 20));
      await this.#underWay;
    }
  }

  /** @returns whose turn it was; undefined where there is nobody of that kind at the moment. */
  #begin(): (typeof roles)[number] | undefined {
    const role = roles[this.#begun % roles.length] as (typeof roles)[number];
    const member = this.#someone(role);
    if (member === undefined) return undefined;
    this.#begun++;
    this.#underWay = this.#stop(role, member);
    return role;
  }

  /** For the roles of clients one that is not the owner. */
  #someone(role: (typeof roles)[number]): Member | undefined {
    const { owner, members } = this.#fleet;
    if (role === "owner" || owner === undefined) return owner;
    return members.find((member) => member.role === role && member !== owner && member.alive);
  }

  async #stop(role: (typeof roles)[number], member: Member): Promise<void> {
    const silences = shortest + this.#random.float() * (longest - shortest);
    const forMs = silences * this.#options.silenceMs;
    await member.stopFor(forMs);
    this.#tally[role]++;
    this.#tally.stoppedMs += forMs;
    this.#underWay = undefined;
  }
}
