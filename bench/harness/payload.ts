/** The payload of every workload: an order, 256 bytes as JSON. */
export interface Payload {
  readonly orderId: string;
  readonly account: string;
  readonly symbol: string;
  readonly side: "buy" | "sell";
  readonly quantity: number;
  readonly limitPrice: number;
  readonly tags: readonly string[];
  readonly note: string;
}

export const payload: Payload = {
  orderId: "order-000000000042",
  account: "account-7731",
  symbol: "ACME",
  side: "buy",
  quantity: 1_200,
  limitPrice: 183.25,
  tags: ["momentum", "risk-checked"],
  note: "Rebalance of the weekly basket, to be worked patiently over the afternoon session, today.",
};

/** @throws Error when `value` is not what was sent: then nothing that was measured counts. */
export function assertPayload(value: unknown): void {
  const { orderId, note } = (value ?? {}) as Partial<Payload>;
  if (orderId === payload.orderId && note === payload.note) return;
  throw new Error(`not the payload: ${JSON.stringify(value)}`);
}
