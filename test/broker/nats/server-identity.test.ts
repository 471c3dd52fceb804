/** Whose certificate it may be, where servers are named by their addresses. */
import type { PeerCertificate } from "node:tls";
import { expect, test } from "vitest";
import { identityCheck } from "../../../src/broker/nats/server-identity.ts";

const certificate = (subjectaltname: string) =>
  ({ subject: { CN: "nats" }, subjectaltname }) as PeerCertificate;

/** What Node says is the host where the client has reached an address. */
const unknown = "localhost";

test("names are left to Node", () => {
  expect(identityCheck(["nats-1:4222", "localhost:4222"])).toBeUndefined();
});

test("the certificate has to name one of the addresses, and localhost does not do", () => {
  const check = identityCheck(["10.0.0.5:4222", "[fd00::6]:4222"]);
  expect(check?.(unknown, certificate("IP Address:10.0.0.5"))).toBeUndefined();
  expect(check?.(unknown, certificate("IP Address:FD00:0:0:0:0:0:0:6"))).toBeUndefined();
  for (const other of ["DNS:localhost", "IP Address:10.0.0.7", "DNS:nats-1"]) {
    expect(check?.(unknown, certificate(other))).toMatchObject({
      code: "ERR_TLS_CERT_ALTNAME_INVALID",
    });
  }
});

test("beside addresses a name is checked as ever", () => {
  const check = identityCheck(["10.0.0.5:4222", "nats-1:4222"]);
  expect(check?.("nats-1", certificate("DNS:nats-1"))).toBeUndefined();
  expect(check?.("nats-1", certificate("DNS:nats-2"))).toBeInstanceOf(Error);
  const local = identityCheck(["127.0.0.1:4222", "localhost:4223"]);
  expect(local?.("localhost", certificate("DNS:localhost"))).toBeUndefined();
});
