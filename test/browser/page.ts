/** What the page of the test loads: everything of the entry, where the test can reach it. */
import * as colloquy from "colloquy/browser";

Object.assign(globalThis, { colloquy });
