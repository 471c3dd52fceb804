/** How many messages wait where that is what is measured: told to subjects by the environment. */
const variable = "COLLOQUY_BENCH_WAITING";

export function tellMessagesWaiting(messages: number): void {
  process.env[variable] = String(messages);
}

export function messagesWaiting(): number {
  return Number(process.env[variable] ?? 1_000_000);
}
