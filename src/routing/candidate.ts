import type { AgentCard } from "./card.ts";

/** How much the latest response time weighs in the average. */
const latestShare = 0.2;

/** One agent that messages can be sent to, with what this process has learned about it. */
export class Candidate {
  card: AgentCard;
  readonly instance: string;
  /** Calls of this process that it has not answered yet. */
  outstanding = 0;
  /** What it had to do for others when it said last how much that was in all. */
  loadOfOthers = 0;
  /** Response time as this process sees it, milliseconds, moving average; 0 before the first. */
  responseMs = 0;
  /** Smooth weighted round robin's running credit. */
  turn = 0;
  /** Nobody listened when it was last called: not chosen for a while. */
  suspect = false;
  /** Where it belongs to this process: what it really has to do. */
  local: { readonly load: number } | undefined = undefined;

  constructor(card: AgentCard, instance: string) {
    this.card = card;
    this.instance = instance;
  }

  get load(): number {
    return this.local === undefined ? this.outstanding + this.loadOfOthers : this.local.load;
  }

  /** It says how much it has to do: calls of this process are known better here, as soon as they are answered. */
  report(load: number): void {
    this.loadOfOthers = Math.max(0, load - this.outstanding);
  }

  get eligible(): boolean {
    return this.card.status === "active" && !this.suspect && this.load < this.card.capacity;
  }

  learn(responseMs: number): void {
    this.responseMs =
      this.responseMs === 0
        ? responseMs
        : this.responseMs + latestShare * (responseMs - this.responseMs);
  }
}
