// The world outside: a payment service that knows nothing of Colloquy, and takes HTTP.
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** What a caller posts. */
export interface ChargeRequest {
  /** The same for every attempt at one charge. */
  readonly key: string;
  /** Higher for every later attempt at it. */
  readonly fence: number;
  readonly cents: number;
}

export interface PaymentService {
  readonly url: string;
  /** Every request that came, in order. */
  readonly requests: readonly ChargeRequest[];
  /** Cents that were taken from the customer, one for each charge. */
  readonly charges: readonly number[];
  /** Resolves when the first charge is made. Its caller is never answered: the line went dead. */
  readonly firstCharge: Promise<void>;
  close(): void;
}

interface Known {
  fence: number;
  readonly receipt: string;
}

/** @param forgetful - does not deduplicate: what no payment service should be. */
export async function openPaymentService(forgetful: boolean): Promise<PaymentService> {
  const requests: ChargeRequest[] = [];
  const charges: number[] = [];
  const known = new Map<string, Known>();
  const first = Promise.withResolvers<void>();

  /** @returns the receipt, or undefined for an attempt that a later one has overtaken. */
  function charge({ key, fence, cents }: ChargeRequest): string | undefined {
    const before = known.get(key);
    if (before !== undefined && fence < before.fence) return undefined;
    if (before !== undefined && !forgetful) {
      before.fence = fence;
      return before.receipt;
    }
    charges.push(cents);
    const receipt = `charge-${charges.length}`;
    known.set(key, { fence, receipt });
    return receipt;
  }

  const server = createServer(async (request, response) => {
    const body = await readJson(request);
    requests.push(body);
    const receipt = charge(body);
    if (requests.length === 1) return first.resolve();
    response.writeHead(receipt === undefined ? 409 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify({ receipt }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/charges`,
    requests,
    charges,
    firstCharge: first.promise,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function readJson(request: IncomingMessage): Promise<ChargeRequest> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) text += chunk;
  return JSON.parse(text) as ChargeRequest;
}

export function post(url: string, body: ChargeRequest): Promise<Response> {
  return fetch(url, { method: "POST", body: JSON.stringify(body) });
}
