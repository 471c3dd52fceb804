/** How an HTTP request becomes a WebSocket (RFC 6455, section 4.2), or why it does not. */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** What every server mixes into its answer, so that no other protocol gives it by chance. */
const webSocketGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const version = "13";

/** The status line's text and further headers of a refusal; undefined where nothing is wrong. */
export function upgradeRefusal(request: IncomingMessage): string | undefined {
  const { method, headers, httpVersionMajor, httpVersionMinor } = request;
  if (method !== "GET") return "405 Method Not Allowed\r\nAllow: GET";
  if (httpVersionMajor !== 1 || httpVersionMinor < 1) return "400 Bad Request";
  if (headers.upgrade?.toLowerCase() !== "websocket") return "400 Bad Request";
  if (headers["sec-websocket-version"] !== version) {
    return `426 Upgrade Required\r\nSec-WebSocket-Version: ${version}`;
  }
  // A body would be read as frames.
  if (headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) !== 0) {
    return "400 Bad Request";
  }
  return isKey(headers["sec-websocket-key"]) ? undefined : "400 Bad Request";
}

/** The answer to a request that is not refused. */
export function upgradeAnswer({ headers }: IncomingMessage): string {
  const key = headers["sec-websocket-key"] ?? "";
  const proof = createHash("sha1").update(`${key}${webSocketGuid}`).digest("base64");
  return [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Accept: ${proof}`,
    "\r\n",
  ].join("\r\n");
}

/** Sixteen bytes in base64. */
function isKey(key: string | undefined): boolean {
  return key !== undefined && /^[+/0-9A-Za-z]{22}==$/.test(key);
}
