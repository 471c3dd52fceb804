/** The whole of a terminal, as long as it is needed; whatever ends the process, it is given back as it was. */
import type { Readable } from "node:stream";
import { isTerminal, type Terminal } from "../terminal.ts";

const enter = "\u001b[?1049h\u001b[?25l";
const leave = "\u001b[?25h\u001b[?1049l";
const home = "\u001b[H";
const restOfLine = "\u001b[K";
const restOfScreen = "\u001b[J";

interface Keyboard extends Readable {
  setRawMode?(raw: boolean): unknown;
}

export class Screen {
  readonly #terminal: Terminal;
  readonly #onKey: (key: string) => void;
  readonly #onResize: () => void;
  readonly #keyboard: Keyboard | undefined;
  readonly #onExit = () => this.close();
  readonly #onData = (data: Buffer | string) => this.#onKey(data.toString());
  #open = true;

  /** @param onKey - what was typed. @param onResize - it has another size: to be drawn anew. */
  constructor(terminal: Terminal, onKey: (key: string) => void, onResize: () => void) {
    const { out, input } = terminal;
    this.#terminal = terminal;
    this.#onKey = onKey;
    this.#onResize = onResize;
    this.#keyboard = input !== undefined && isTerminal(input) ? input : undefined;
    process.once("exit", this.#onExit);
    out.on("resize", onResize);
    this.#keyboard?.setRawMode?.(true);
    this.#keyboard?.on("data", this.#onData);
    out.write(enter);
  }

  draw(lines: readonly string[], rows: number | undefined): void {
    const shown = rows === undefined ? lines : lines.slice(0, rows);
    const text = shown.map((line) => line + restOfLine).join("\r\n");
    this.#terminal.out.write(home + text + restOfScreen);
  }

  /** Safe to repeat. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    const { out } = this.#terminal;
    out.write(leave);
    out.off("resize", this.#onResize);
    this.#keyboard?.off("data", this.#onData);
    this.#keyboard?.setRawMode?.(false);
    this.#keyboard?.pause();
    process.off("exit", this.#onExit);
  }
}
