import type { BrokerStatus } from "../../src/broker/broker.ts";

/** Statuses, of which a loss is told once, however many attempts to connect again follow it. */
export async function* changesOf(
  broker: { statuses(signal: AbortSignal): AsyncIterable<BrokerStatus> },
  signal: AbortSignal = new AbortController().signal,
): AsyncGenerator<BrokerStatus> {
  for await (const status of broker.statuses(signal)) {
    if (status.kind !== "lost" || (status.attempt ?? 1) === 1) yield status;
  }
}
