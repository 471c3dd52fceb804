/** Certificates of tests alone; scripts/make-test-certificates.sh made them. */
import { readFileSync } from "node:fs";

function pem(name: string): string {
  return readFileSync(new URL(`./certificates/${name}`, import.meta.url), "utf8");
}

interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export const authority: string = pem("authority.crt");
export const hubCertificate: KeyPair = { cert: pem("hub.crt"), key: pem("hub.key") };
export const clientCertificate: KeyPair = { cert: pem("client.crt"), key: pem("client.key") };
