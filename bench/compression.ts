/**
 * What compression costs the two ends of a message, whatever lies between them:
 *
 *   node --conditions=@colloquy/source --disable-warning=ExperimentalWarning bench/compression.ts
 *
 * Prints one line for each size and algorithm: medians over rounds in which all take their turns.
 */
import { compressPayload, decompressPayload } from "../src/message/compression.ts";
import { compressions, type EncodedPayload } from "../src/message/message.ts";
import { decodePayload, encodePayload } from "../src/message/payload.ts";
import { SeededRandom } from "../src/runtime/random.ts";
import { type Payload, payload } from "./harness/payload.ts";
import { spread } from "./harness/statistics.ts";

const rounds = 11;
const sizes = [8_192, 65_536, 1_000_000];
const random = new SeededRandom(1);

function drawn<Item>(...items: readonly Item[]): Item {
  return items[random.uint32() % items.length] as Item;
}

/** Like the payload of the other workloads, each with numbers and words of its own. */
function order(): Payload {
  return {
    orderId: `order-${String(random.uint32()).padStart(12, "0")}`,
    account: `account-${random.uint32() % 10_000}`,
    symbol: drawn("ACME", "GLOB", "INIT", "UMBR", "HOOL"),
    side: drawn("buy", "sell"),
    quantity: random.uint32() % 5_000,
    limitPrice: (random.uint32() % 40_000) / 100,
    tags: drawn(["momentum"], ["risk-checked"], payload.tags),
    note: drawn(payload.note, "Close out before the auction; do not cross the spread."),
  };
}

/** As many orders as fit. */
function ordersOf(bytes: number): readonly Payload[] {
  const orders: Payload[] = [];
  for (let length = 2; ; ) {
    const next = order();
    length += JSON.stringify(next).length + 1;
    if (length > bytes) return orders;
    orders.push(next);
  }
}

/** @returns microseconds of processor time for each run: other programs disturb that less than the clock. */
function timed(times: number, run: () => unknown): number {
  const before = process.cpuUsage();
  for (let time = 0; time < times; time++) run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}

for (const size of sizes) {
  const orders = ordersOf(size);
  const plain = encodePayload(orders);
  const times = Math.ceil(2_000_000 / size);
  const subjects = (["none", "gzip", "zstd"] as const).map((algorithm) => {
    const write = (): EncodedPayload =>
      compressPayload(encodePayload(orders), { algorithm, bytesMin: 0 });
    const sent = write();
    if (sent.compression !== compressions[algorithm]) throw new Error(`${size}: not ${algorithm}`);
    if (Buffer.compare(decompressPayload(sent).bytes, plain.bytes) !== 0)
      throw new Error("damaged");
    return { algorithm, write, sent, writing: [] as number[], reading: [] as number[] };
  });
  for (let round = 0; round < rounds; round++) {
    for (const { write, sent, writing, reading } of subjects) {
      writing.push(timed(times, write));
      reading.push(timed(times, () => decodePayload(sent)));
    }
  }
  for (const { algorithm, sent, writing, reading } of subjects) {
    const bytes = `${plain.bytes.length} as ${sent.bytes.length} bytes`;
    const times = `${spread(writing).median.toFixed(0)} µs to write, ${spread(reading).median.toFixed(0)} µs to read`;
    console.log(`${algorithm}: ${bytes}, ${times}, JSON included`);
  }
}
