/** Reports of one agent about what it holds: those of one turn travel together. */
import type { Queues, Report, ReportOutcome } from "../broker/broker.ts";
import { errorInfo } from "../errors.ts";

interface Reporting {
  readonly report: Report;
  readonly tell: (outcome: ReportOutcome) => void;
}

export class Reports {
  readonly #queues: Pick<Queues, "report">;
  #waiting: Reporting[] = [];

  constructor(queues: Pick<Queues, "report">) {
    this.#queues = queues;
  }

  report(report: Report): Promise<ReportOutcome> {
    return new Promise((resolve) => {
      if (this.#waiting.length === 0) queueMicrotask(() => void this.#flush());
      this.#waiting.push({ report, tell: resolve });
    });
  }

  /** Never rejects. */
  async #flush(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = [];
    try {
      const outcomes = await this.#queues.report(batch.map(({ report }) => report));
      for (const [index, outcome] of outcomes.entries()) batch[index]?.tell(outcome);
    } catch (error) {
      const outcome = { kind: "refused", error: errorInfo(error) } as const;
      for (const { tell } of batch) tell(outcome);
    }
  }
}
