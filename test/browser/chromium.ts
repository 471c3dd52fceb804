/** The browser that the tests drive. */
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const places = [
  process.env["CHROMIUM_PATH"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
];

export const howToInstall =
  "no Chromium: install it (apt-get install chromium), or set CHROMIUM_PATH";

/** Undefined where none is installed. */
export const chromiumPath: string | undefined = places.find(
  (path) => path !== undefined && existsSync(path),
);

export function startChromium(): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error(howToInstall);
  return chromium.launch({
    executablePath: chromiumPath,
    // The first start on a new machine reads all of it from disk.
    timeout: 100_000,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
