/** What a process tells the others about one of its agents. */
export interface AgentCard {
  readonly id: string;
  readonly type: string;
  readonly capabilities: readonly string[];
  /** Handlers it runs at a time. */
  readonly capacity: number;
  /** Its share under "weighted", above 0. */
  readonly weight: number;
  readonly status: AgentStatus;
  /** Why it is not active. */
  readonly reason?: string;
  /** Wall clock when the agent came into being; the youngest of two with one id is the one that counts. */
  readonly startedMs: number;
}

export type AgentStatus = "active" | "draining" | "unhealthy";

/** The process that agents live in, for people. */
export interface ProcessCard {
  /** What it joined with. */
  readonly name: string;
  readonly host: string;
  readonly pid: number;
}

/** An agent as the registry shows it. */
export interface AgentInfo extends AgentCard {
  /** The process life it belongs to. */
  readonly instance: string;
  /** Handlers running, as far as this process knows. */
  readonly load: number;
  /** Undefined where its process does not say. */
  readonly process: ProcessCard | undefined;
}
