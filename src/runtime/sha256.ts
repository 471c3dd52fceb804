/** SHA-256 where there is no native one that answers at once: a page. @see FIPS 180-4, section 6.2. */

const blockBytes = 64;

const { constants, initial } = primeRoots();

/** @returns the 8 words of the digest. */
export function sha256(bytes: Uint8Array): Uint32Array {
  const state = initial.slice();
  const padded = padding(bytes);
  const words = new Uint32Array(64);
  for (let start = 0; start < padded.byteLength; start += blockBytes) {
    schedule(words, padded, start);
    compress(state, words);
  }
  return state;
}

/** The bytes, a bit 1, zeros, and the length in bits as u64: whole blocks. */
function padding(bytes: Uint8Array): DataView {
  const blocks = Math.ceil((bytes.length + 9) / blockBytes);
  const padded = new Uint8Array(blocks * blockBytes);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(bytes.length) * 8n);
  return view;
}

function schedule(words: Uint32Array, block: DataView, start: number): void {
  for (let index = 0; index < 16; index++) words[index] = block.getUint32(start + 4 * index);
  for (let index = 16; index < 64; index++) {
    const near = words[index - 2] as number;
    const far = words[index - 15] as number;
    const sigma0 = rotated(far, 7) ^ rotated(far, 18) ^ (far >>> 3);
    const sigma1 = rotated(near, 17) ^ rotated(near, 19) ^ (near >>> 10);
    words[index] = sigma1 + (words[index - 7] as number) + sigma0 + (words[index - 16] as number);
  }
}

function compress(state: Uint32Array, words: Uint32Array): void {
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
  for (let round = 0; round < 64; round++) {
    const choice = (e & f) ^ (~e & g);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    const sum1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
    const sum0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
    const first = h + sum1 + choice + (constants[round] as number) + (words[round] as number);
    h = g;
    g = f;
    f = e;
    e = (d + first) | 0;
    d = c;
    c = b;
    b = a;
    a = (first + sum0 + majority) | 0;
  }
  for (const [index, value] of [a, b, c, d, e, f, g, h].entries()) {
    state[index] = (state[index] as number) + value;
  }
}

function rotated(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}

/** The first 32 bits of the fractions of the cube roots, and square roots, of the first primes. */
function primeRoots(): { readonly constants: Uint32Array; readonly initial: Uint32Array } {
  const primes: number[] = [];
  for (let number = 2; primes.length < 64; number++) {
    if (primes.every((prime) => number % prime !== 0)) primes.push(number);
  }
  const fraction = (root: number) => (root - Math.floor(root)) * 2 ** 32;
  return {
    constants: Uint32Array.from(primes, (prime) => fraction(Math.cbrt(prime))),
    initial: Uint32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime))),
  };
}
