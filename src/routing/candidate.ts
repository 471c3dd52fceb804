import type { AgentCard } from "./card.ts";

/** How much the latest response time weighs in the average. */
const latestShare = 0.2;

/** One agent that messages can be sent to, with what this process has learned about it. */
export class Candidate {
  card: AgentCard;
  readonly instance: string;
  /** Calls of this process that it has not answered yet. */
  outstanding = 0;
  /** Handlers it said it was running, calls of other processes included. */
  reportedLoad = 0;
  /** Response time as this process sees it, milliseconds, moving average; 0 before the first. */
  responseMs = 0;
  /** Smooth weighted round robin's running credit. */
  turn = 0;
  /** Nobody listened when it was last called: not chosen until it shows itself again. */
  suspect = false;
  /** Where it belongs to this process: what it really has to do. */
  local: { readonly load: number } | undefined = undefined;

  constructor(card: AgentCard, instance: string) {
    this.card = card;
    this.instance = instance;
  }

  get load(): number {
    return this.local === undefined
      ? Math.max(this.outstanding, this.reportedLoad)
      : this.local.load;
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
