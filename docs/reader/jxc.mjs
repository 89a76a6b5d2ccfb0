// A reader of .jxc files of version 3, written from FORMAT.md alone. It is one file without
// dependencies, so that a page can carry it.
//
// Values come as the typed array of their type (bool as Uint8Array). Where JavaScript has none,
// float16, bfloat16, float8 and float4 types come as a Float32Array of their values, int4 and int2
// as Int8Array, uint4 and uint2 as Uint8Array. Engines are taken to be little-endian, as all are.
// Not here: LZMA, for which a caller can pass a function, and the counts of memory and work under
// "Limits". The other limits are checked.

// What the text of a file is taken to follow; <0> and <1> are the bytes 0 and 1.
const PRIMER = new TextEncoder().encode((
  "params<0>Dense_0<0>bias<1>params<0>Dense_0<0>kernel<1>params<0>Dense_1<0>bias<1>" +
  "Dense_1<0>kernel<1>Dense_2<0>bias<1>Dense_2<0>kernel<1>params<0>Conv_0<0>bias<1>" +
  "params<0>Conv_0<0>kernel<1>Conv_1<0>kernel<1>params<0>BatchNorm_0<0>bias<1>" +
  "BatchNorm_0<0>scale<1>BatchNorm_1<0>scale<1>batch_stats<0>BatchNorm_0<0>mean<1>" +
  "BatchNorm_0<0>var<1>LayerNorm_0<0>scale<1>Embed_0<0>embedding<1>layers.0.weight<1>" +
  "layers.0.bias<1>layer1.0.conv1.weight<1>layer1.0.bn1.running_mean<1>" +
  "layer1.0.bn1.running_var<1>fc1.weight<1>fc1.bias<1>fc.weight<1>fc.bias<1>"
).replaceAll("<0>", "\0").replaceAll("<1>", "\x01"));

const ONE = 2 ** 24; // Probabilities are in units of 1 / ONE.

const float = (E, M, bias, special) => ({ E, M, bias, special });
const TYPES = [
  ["bool", 8, Uint8Array], ["int8", 8, Int8Array], ["int16", 16, Int16Array],
  ["int32", 32, Int32Array], ["int64", 64, BigInt64Array], ["uint8", 8, Uint8Array],
  ["uint16", 16, Uint16Array], ["uint32", 32, Uint32Array], ["uint64", 64, BigUint64Array],
  ["float16", 16, Uint16Array, float(5, 10, 15, "ieee")],
  ["float32", 32, Float32Array, float(8, 23, 127, "ieee")],
  ["float64", 64, Float64Array, float(11, 52, 1023, "ieee")],
  ["bfloat16", 16, Uint16Array, float(8, 7, 127, "ieee")],
  ["float8_e4m3fn", 8, Uint8Array, float(4, 3, 7, "fn")],
  ["float8_e5m2", 8, Uint8Array, float(5, 2, 15, "ieee")],
  ["float8_e4m3", 8, Uint8Array, float(4, 3, 7, "ieee")],
  ["float8_e3m4", 8, Uint8Array, float(3, 4, 3, "ieee")],
  ["float8_e4m3b11fnuz", 8, Uint8Array, float(4, 3, 11, "fnuz")],
  ["float8_e4m3fnuz", 8, Uint8Array, float(4, 3, 8, "fnuz")],
  ["float8_e5m2fnuz", 8, Uint8Array, float(5, 2, 16, "fnuz")],
  ["float8_e8m0fnu", 8, Uint8Array, float(8, 0, 127, "unsigned")],
  ["float4_e2m1fn", 4, Uint8Array, float(2, 1, 1, "finite")],
  ["int4", 4, Int8Array], ["uint4", 4, Uint8Array],
  ["int2", 2, Int8Array], ["uint2", 2, Uint8Array],
].map(([name, bits, view, format]) => ({ name, bits, view, format, bytes: Math.ceil(bits / 8) }));

const KINDS = ["plain", "sparse", "table", "mirrored", "step", "steps", "floats", "arranged"];
const AXES = [[], [0], [1], [0, 1], [-2], [-1], [-2, -1], [0, -1]]; // Of the scaled schemes.

function check(condition, message) {
  if (!condition) throw new Error(`invalid .jxc file: ${message}`);
}
const product = (sizes) => sizes.reduce((a, b) => a * b, 1);
const cut = (x, least, most) => Math.min(Math.max(x, least), most);

/** Reads a number of seven bits in each byte, the lowest first. */
function readNumber(nextByte) {
  let value = 0;
  for (let i = 0; i < 9; i++) {
    const byte = nextByte();
    value += (byte & 127) * 128 ** i;
    check(value <= Number.MAX_SAFE_INTEGER, "a number is too large");
    if (byte < 128) return value;
  }
  throw new Error("invalid .jxc file: a number has more than 9 bytes");
}

// ---------------------------------------------------------------------------- BLAKE2b

const SIGMA = [
  "0123456789abcdef", "ea489fd61c02b753", "b8c052fdae367194", "7931dcbe265a40f8",
  "905724afe1bc683d", "2c6a0b834d75fe19", "c51fed4a0763928b", "db7ec13950f4862a",
  "6fe9b308c2d714a5", "a2847615fb9e3cd0",
].map((row) => [...row].map((digit) => parseInt(digit, 16)));
const IV = [
  0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n, 0x9b05688c2b3e6c1fn, 0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n,
];
const LINES = [ // Four columns of the state, then four diagonals.
  [0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15],
  [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14],
];

/** Returns BLAKE2b of the bytes, with a digest of 8 bytes and no key. */
export function blake2b(bytes) {
  const state = BigUint64Array.from(IV), v = new BigUint64Array(16); // Stores are modulo 2^64.
  const block = new Uint8Array(128), words = new BigUint64Array(block.buffer);
  const turn = (x, bits) => (x >> bits) | (x << (64n - bits));
  state[0] ^= 0x01010008n;
  for (let start = 0; start === 0 || start < bytes.length; start += 128) {
    const isLast = start + 128 >= bytes.length;
    block.fill(0);
    block.set(bytes.subarray(start, start + 128));
    v.set([...state, ...IV]);
    v[12] ^= BigInt(Math.min(start + 128, bytes.length));
    if (isLast) v[14] = ~v[14];
    for (let round = 0; round < 12; round++) {
      const order = SIGMA[round % 10];
      LINES.forEach(([a, b, c, d], j) => {
        v[a] += v[b] + words[order[2 * j]];
        v[d] = turn(v[d] ^ v[a], 32n);
        v[c] += v[d];
        v[b] = turn(v[b] ^ v[c], 24n);
        v[a] += v[b] + words[order[2 * j + 1]];
        v[d] = turn(v[d] ^ v[a], 16n);
        v[c] += v[d];
        v[b] = turn(v[b] ^ v[c], 63n);
      });
    }
    for (let j = 0; j < 8; j++) state[j] ^= v[j] ^ v[j + 8];
  }
  return new Uint8Array(state.buffer, 0, 8);
}

// ---------------------------------------------------------------------------- range coder

/** The shares of a model: symbol i has [result[i], result[i + 1]). */
function shares(weights) {
  const K = weights.length, starts = new Float64Array(K + 1);
  let total = 0, sum = 0;
  for (let i = 0; i < K; i++) total += weights[i];
  const scale = (ONE - K) / total;
  for (let i = 0; i < K; i++) {
    starts[i] = Math.floor(sum * scale) + i;
    sum += weights[i];
  }
  starts[K] = ONE;
  return starts;
}

const equalShares = (K) => shares(new Float64Array(K).fill(1));
const BIT_SCALE = Math.fround((ONE - 2) / ONE);

/** A part: raw bytes, and coded bytes that are read with a range coder. */
class Part {
  // Numbers of 64 bits are kept as 40 higher and 24 lower bits, so that all arithmetic is exact
  // in doubles. `offset` is point - lower.
  constructor(raw, coded) {
    Object.assign(this, { raw, coded, rawUsed: 0, codedUsed: 0 });
    Object.assign(this, { widthHigh: 2 ** 40 - 1, widthLow: ONE - 1, offsetHigh: 0, offsetLow: 0 });
    this.nextWord();
    this.nextWord();
  }

  nextWord() {
    let word = 0; // Zeros that are missing at the end are read as zeros.
    for (let i = 0; i < 4; i++) word = word * 256 + (this.coded[this.codedUsed++] ?? 0);
    const offset = this.offsetHigh * ONE + this.offsetLow; // It is below 2^32 here.
    this.offsetHigh = offset * 256 + Math.floor(word / ONE);
    this.offsetLow = word % ONE;
  }

  quantile() {
    const unit = this.widthHigh; // Long division, 12 bits at a time, stays below 2^53.
    let rest = this.offsetHigh, quantile = Math.floor(rest / unit);
    for (const digit of [this.offsetLow >>> 12, this.offsetLow & 4095]) {
      rest = (rest % unit) * 4096 + digit;
      quantile = quantile * 4096 + Math.floor(rest / unit);
    }
    check(quantile < ONE, "the range coder has no symbol");
    return quantile;
  }

  narrow(start, end) {
    const unitHigh = Math.floor(this.widthHigh / ONE), unitLow = this.widthHigh % ONE;
    const low = unitLow * start, high = unitHigh * start + Math.floor(low / ONE);
    this.offsetLow -= low % ONE;
    this.offsetHigh -= high;
    if (this.offsetLow < 0) {
      this.offsetLow += ONE;
      this.offsetHigh -= 1;
    }
    const width = unitLow * (end - start);
    this.widthHigh = unitHigh * (end - start) + Math.floor(width / ONE);
    this.widthLow = width % ONE;
    if (this.widthHigh < 256) {
      this.widthHigh = (this.widthHigh * ONE + this.widthLow) * 256;
      this.widthLow = 0;
      this.nextWord();
    }
  }

  symbol(starts) {
    let first = 0, last = starts.length - 2;
    if (last === 0) return 0; // With one symbol there is nothing to read.
    const quantile = this.quantile();
    while (first < last) {
      const middle = (first + last + 1) >>> 1;
      if (starts[middle] <= quantile) first = middle;
      else last = middle - 1;
    }
    this.narrow(starts[first], starts[first + 1]);
    return first;
  }

  /** A bit with probability q / 2^24 of a one; the model is in binary32. */
  bit(q) {
    const split = Math.floor(Math.fround((ONE - q) * BIT_SCALE)) + 1;
    const bit = this.quantile() >= split ? 1 : 0;
    if (bit) this.narrow(split, ONE);
    else this.narrow(0, split);
    return bit;
  }

  rawBytes(n) {
    check(this.rawUsed + n <= this.raw.length, "too few raw bytes");
    this.rawUsed += n;
    return this.raw.subarray(this.rawUsed - n, this.rawUsed);
  }

  checkUsedUp() {
    check(this.rawUsed === this.raw.length, "raw bytes are left over");
  }
}

const EVEN = equalShares(2); // The model of a symbol of weights (1, 1).

/** Counted symbols, from 0; `prior` has the weights to begin with. */
function counted(part, K, n, prior = new Array(K).fill(cut(Math.floor(512 / K), 1, 32))) {
  const symbols = new Int32Array(n), weights = Float64Array.from(prior);
  let m = 0;
  while (m < n && K > 1) {
    const starts = shares(weights);
    const end = Math.min(n, m + Math.max(4, Math.floor(m / 4)));
    for (let i = m; i < end; i++) symbols[i] = part.symbol(starts);
    for (; m < end; m++) weights[symbols[m]] += 64;
  }
  return symbols;
}

function pieces(part, bits, n) {
  if (part.symbol(EVEN)) return counted(part, 2 ** bits, n);
  const raw = part.rawBytes(Math.ceil((n * bits) / 8));
  const numbers = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    const at = i * bits, byte = Math.floor(at / 8);
    const pair = raw[byte] + 256 * (raw[byte + 1] ?? 0);
    numbers[i] = (pair >> (at % 8)) & (2 ** bits - 1);
  }
  return numbers;
}

/** Reads n numbers as planes, and returns them as little-endian bytes. */
function planes(part, n, bytesEach) {
  const result = new Uint8Array(n * bytesEach);
  for (let place = bytesEach - 1; place >= 0; place--) {
    const plane = pieces(part, 8, n);
    for (let i = 0; i < n; i++) result[i * bytesEach + place] = plane[i];
  }
  return result;
}

// ---------------------------------------------------------------------------- text

class Text {
  constructor(part, primer, limit) {
    Object.assign(this, { part: null, contexts: new Map(), before: "", length: 0, limit });
    for (const byte of primer) this.learn(byte);
    Object.assign(this, { part, before: "", length: 0 }); // No bytes precede the text itself.
  }

  /** The contexts of 0 to 5 bytes that precede the next byte. */
  keys() {
    const { before } = this;
    return Array.from({ length: before.length + 1 }, (_, k) => before.slice(before.length - k));
  }

  learn(byte) {
    for (const key of this.keys()) {
      if (!this.contexts.has(key)) this.contexts.set(key, { total: 0, seen: new Map() });
      const context = this.contexts.get(key);
      context.total++;
      context.seen.set(byte, (context.seen.get(byte) ?? 0) + 1);
    }
    this.before = (this.before + String.fromCharCode(byte)).slice(-5);
  }

  byte() {
    check(++this.length <= this.limit, "too much text");
    const p = new Float64Array(256).fill(1 / 256);
    for (const key of this.keys()) {
      const context = this.contexts.get(key);
      if (!context) break;
      const half = context.seen.size / 2, total = context.total + half;
      const rest = half / total;
      for (let i = 0; i < 256; i++) p[i] *= rest;
      for (const [byte, count] of context.seen) p[byte] += count / total;
    }
    const byte = this.part.symbol(shares(p.map((x) => Math.floor(x * ONE) + 1)));
    this.learn(byte);
    return byte;
  }

  number() {
    return readNumber(() => this.byte());
  }
}

function keyOf(bytes, isInteger) {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  if (!isInteger) return text;
  check(/^(0|-?[1-9][0-9]*)$/.test(text), "a key is no integer");
  check(BigInt.asIntN(64, BigInt(text)) === BigInt(text), "a key does not fit 64 bits");
  return BigInt(text);
}

/** Reads the names of an array or an empty dict; null at the end of the file. */
function readNames(text) {
  const names = [];
  let key = [], isInteger = false;
  for (let length = 1; ; length++) {
    check(length <= 1024, "names are too long");
    let byte = text.byte();
    const isFirst = key.length === 0 && !isInteger;
    if (byte === 3 && isFirst && names.length === 0) return null;
    if (byte <= 2) {
      names.push(keyOf(Uint8Array.from(key), isInteger));
      check(names.length <= 64, "too many keys");
      if (byte > 0) return { names, isDict: byte === 2 };
      key = [], isInteger = false;
    } else if (byte === 4 && isFirst) {
      isInteger = true;
    } else {
      check(byte === 5 || byte > 6, "a mark within a key");
      if (byte === 5) byte = text.byte(), length++;
      key.push(byte);
    }
  }
}

/** Checks that no path occurs twice or is the beginning of another. */
function checkPath(tree, names) {
  names.forEach((name, i) => {
    const last = i === names.length - 1;
    check(!(tree.has(name) && (last || tree.get(name) === null)), "a path occurs twice");
    if (!tree.has(name)) tree.set(name, last ? null : new Map());
    tree = tree.get(name);
  });
}

// ---------------------------------------------------------------------------- facts

function readFacts(text, part, first) {
  const kind = KINDS[first >> 5], type = TYPES[first & 31], axes = text.byte();
  check(type && axes <= 32, "an unknown type or too many axes");
  const shape = Array.from({ length: axes }, () => text.number());
  check(product(shape.filter((size) => size)) <= 2 ** 36, "too many entries");
  const facts = { kind, type, shape, entries: product(shape), low: 0, high: 0, stepAxes: [] };
  const bounds = (low, high) => Object.assign(facts, { low, high });
  if (kind === "sparse") bounds(0, 1);
  if (kind === "mirrored") {
    const number = text.number();
    facts.positive = Math.floor(number / 2);
    bounds(-facts.positive, facts.positive - 1 + (number % 2));
    check(type.format && number > 0, "a mirrored array of the wrong type or without values");
  }
  if (kind === "table") bounds(-text.number(), text.number() - 1);
  if (kind === "step" || kind === "steps") {
    bounds(-text.number(), text.number());
    check(type.name !== "bool", "steps of bools");
  }
  if (kind === "floats") {
    check(type.format && type.bits >= 16, "floats of another type");
    facts.highest = text.number();
    bounds(-text.number(), 0);
    check(facts.highest < 2 ** type.format.E && -facts.low <= facts.highest, "a wrong exponent");
  }
  check(facts.low >= -32768 && facts.high <= 32768 && facts.low <= facts.high, "wrong bounds");
  if (kind === "steps") {
    check(axes >= 2, "steps along too few axes");
    shape.forEach((_, axis) => text.byte() && facts.stepAxes.push(axis));
  }
  if (kind === "arranged") readOrder(text, facts);
  else if (kind !== "plain") readScheme(text, part, facts);
  return facts;
}

function readOrder(text, facts) {
  const byte = text.byte(), { shape } = facts;
  Object.assign(facts, { order: byte >> 1, packed: byte % 2 === 1 });
  check(byte < 8 && (facts.order === 0 || shape.length > 0), "an unknown order");
  check(facts.order < 3 || (shape.length === 2 && shape[0] === shape[1]), "not a square matrix");
}

function readScheme(text, part, facts) {
  const scheme = text.byte(), { shape, entries } = facts, axes = shape.length;
  check(scheme < 24, "an unknown scheme");
  if (scheme >= 8 && scheme < 16) {
    check(facts.kind !== "floats" && facts.low >= -32 && facts.high <= 32, "a wrong scheme");
    const [transposed, byLastAxis, densities] = [1, 2, 4].map((flag) => (scheme & flag) !== 0);
    const period = text.number();
    check(period >= 1 && period <= 2 ** 20, "a wrong period");
    let C = axes < 2 ? 1 : byLastAxis ? shape[axes - 1] : entries / shape[0], R = entries / C;
    if (transposed) [R, C] = [C, R];
    facts.rowByRow = { transposed, densities, period, R, C };
    return;
  }
  facts.axes = AXES[scheme % 8].map((axis) => (axis < 0 ? axis + axes : axis));
  check(facts.axes.length === 0 || axes >= 2, "a scheme for more axes");
  if (scheme < 16) return;
  check(facts.high - facts.low < 512, "a prior of too many levels");
  const [scale, form, strength] = [256, 6, 4].map((K) => part.symbol(equalShares(K)));
  facts.prior = { scale, form, strength };
}

// ---------------------------------------------------------------------------- scaled levels

const P_TABLE = Float64Array.from({ length: 6145 }, (_, i) =>
  Math.round(ONE / (1 + Math.exp(-(16 * i - 49152) / 4096))));
const P = (x) => P_TABLE[(cut(x, -49152, 49152) + 49152) >> 4];
const LOG = (x) => Math.round(4096 * Math.log(x));

const WIDTHS = [65536, 71468, 77936, 84990, 92682, 101070, 110218, 120194];
const FORMS = [
  (x) => Math.floor((x * 5734) / (4096 + Math.floor(x / 5))),
  (x) => Math.floor((x * 4710) / (4096 + Math.floor((3 * x) / 40))),
  (x) => x,
  ...[64, 32, 16].map((d) => (x) =>
    x + Math.floor(Math.floor((Math.floor((x * x) / 4096) * x) / 4096) / d)),
];

/** The share of what is below the edge between the levels l and l + 1. */
function shareBelow(l, width, form) {
  const u = Math.abs(2 * l + 1);
  const y = FORMS[form](Math.min(Math.floor((u * 2 ** 33) / width), 2 ** 18));
  const z = Math.min(y, 49151) + 49152, i = z >> 4, r = z % 16;
  const q = P_TABLE[i + 1] + Math.floor(((P_TABLE[i + 1] - P_TABLE[i]) * (r - 16)) / 16);
  return 2 * l + 1 > 0 ? q : ONE - q;
}

/** The weights that the levels of a class begin with, in a scheme with a prior. */
function priorWeights({ low, high, prior }, c) {
  const t = cut(prior.scale + 2 * (c - 24), 0, 255), weights = [];
  const width = WIDTHS[t % 8] * 2 ** Math.floor(t / 8);
  let below = 0;
  for (let l = low; l <= high; l++) {
    const edge = l === high ? ONE : shareBelow(l, width, prior.form);
    weights.push(Math.max(1, Math.floor(((edge - below) * 64 * 64 * 4 ** prior.strength) / ONE)));
    below = edge;
  }
  return weights;
}

/** Reads levels from 0, class by class; `priorOf(c)` gives the weights of a class, if any. */
function readClasses(part, K, classes, priorOf) {
  const symbols = new Int32Array(classes.length), members = Array.from({ length: 48 }, () => []);
  classes.forEach((c, i) => members[c].push(i));
  let learned;
  for (let c = 1; c < 48; c++) {
    const m = members[c].length;
    if (m === 0) continue;
    const counts = new Float64Array(K);
    counted(part, K, m, priorOf ? priorOf(c) : learned).forEach((symbol, i) => {
      symbols[members[c][i]] = symbol;
      counts[symbol]++;
    });
    learned = counts.map((count) => Math.max(1, Math.floor((64 * 200 * count) / m)));
  }
  return symbols;
}

/** A function that gives the place of an entry along an axis. */
function placeAlong(shape, axis) {
  const stride = product(shape.slice(axis + 1));
  return (i) => Math.floor(i / stride) % shape[axis];
}

/** The class of entry i, from its place along each axis and the factors of the slices there. */
function classOf(i, places, factors) {
  let sum = 24;
  for (let a = 0; a < places.length; a++) {
    const factor = factors[a][places[a](i)];
    if (factor === 0) return 0;
    sum += factor - 32;
  }
  return cut(sum, 1, 47);
}

function scaledLevels(part, facts, factors, begin, end) {
  const { low, high, shape, axes, prior } = facts, K = high - low + 1;
  if (axes.length === 0) {
    const symbols = counted(part, K, end - begin, prior && priorWeights(facts, 24));
    return symbols.map((symbol) => symbol + low);
  }
  const places = axes.map((axis) => placeAlong(shape, axis));
  const classes = new Uint8Array(end - begin).map((_, i) => classOf(begin + i, places, factors));
  const symbols = readClasses(part, K, classes, prior && ((c) => priorWeights(facts, c)));
  return symbols.map((symbol, i) => (classes[i] === 0 ? 0 : symbol + low));
}

// ---------------------------------------------------------------------------- row by row

/** Reads n symbols, each with a context of the one before it and the one a period before it. */
function chain(part, K, n, period, hint) {
  const symbols = new Uint8Array(n), o = new Float64Array(K).fill(1);
  const s = [0, 1].map(() => Array.from({ length: K }, () => new Float64Array(K)));
  let total = K; // The sum of o.
  for (let i = 0; i < n; i++) {
    const context = ((symbols[i - 1] ?? 0) + (symbols[i - period] ?? 0) + 1) >> 1;
    const counts = s[hint[i] ?? 0][context];
    symbols[i] = part.symbol(shares(counts.map((count, k) => count * total + 2 * o[k])));
    counts[symbols[i]] += 1;
    o[symbols[i]] += 4;
    total += 4;
  }
  return symbols;
}

/** Counts of bits by context. */
class Odds {
  constructor(contexts, q, s) {
    this.ones = new Int32Array(contexts);
    this.zeros = new Int32Array(contexts);
    this.a = Math.min(Math.max(Math.floor((s * q) / ONE), 1), s - 1);
    this.b = s - this.a;
  }

  logOdds(context) {
    return LOG(64 * this.ones[context] + this.a) - LOG(64 * this.zeros[context] + this.b);
  }

  learn(contexts, bits) {
    for (let j = 0; j < bits.length; j++) (bits[j] ? this.ones : this.zeros)[contexts[j]]++;
    for (const context of contexts) {
      while (Math.max(this.ones[context], this.zeros[context]) > 4000) {
        this.ones[context] >>= 1;
        this.zeros[context] >>= 1;
      }
    }
  }
}

const floorDivide = (a, b) => (a - (((a % b) + b) % b)) / b; // Of BigInts, b above 0.

/** The exact sum of n integers, each of which is below 2^53, though the sum need not be. */
function exactSum(n, term) {
  let high = 0, low = 0;
  for (let j = 0; j < n; j++) {
    const x = term(j), upper = Math.floor(x / 4096);
    high += upper;
    low += x - upper * 4096;
  }
  return BigInt(high) * 4096n + BigInt(low);
}

class Mixer {
  constructor(...weights) {
    this.weights = weights.map((w) => Math.round(65536 * w));
    this.curvatures = weights.map(() => 20n << 24n);
  }

  /** Reads a row of bits; inputs[k][j] is input k of bit j. */
  readBits(part, base, inputs, n) {
    const bits = new Uint8Array(n), q = new Float64Array(n);
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let k = 0; k < inputs.length; k++) sum += this.weights[k] * inputs[k][j];
      q[j] = P(base + Math.floor(sum / 65536));
      bits[j] = part.bit(q[j]);
    }
    inputs.forEach((input, k) => this.learn(k, input, q, bits));
    return bits;
  }

  learn(k, input, q, bits) {
    const steepness = exactSum(bits.length, (j) =>
      input[j] ** 2 * (((q[j] >> 12) * ((ONE - q[j]) >> 12)) >> 12));
    const slope = exactSum(bits.length, (j) => input[j] * (bits[j] * ONE - q[j]));
    const curvature = this.curvatures[k] + (steepness >> 12n), most = (1n << 62n) - 1n;
    this.curvatures[k] = curvature < most ? curvature : most;
    const step = floorDivide(slope << 16n, this.curvatures[k] << 12n);
    this.weights[k] = cut(this.weights[k] + Number(step), -(2 ** 19), 2 ** 19);
  }
}

/** A mixer and the odds that give its inputs. */
class BitModel {
  constructor(mixer, ...odds) {
    Object.assign(this, { mixer, odds });
  }

  read(part, contexts) {
    const inputs = this.odds.map((odds, k) => contexts[k].map((context) => odds.logOdds(context)));
    return this.readBits(part, 0, inputs, contexts);
  }

  readBits(part, base, inputs, contexts) {
    const bits = this.mixer.readBits(part, base, inputs, contexts[0].length);
    this.odds.forEach((odds, k) => odds.learn(contexts[k], bits));
    return bits;
  }
}

/** The models of the rows that are alive, on the W columns that are alive. */
class RowReader {
  constructor(part, { low, high, rowByRow }, base, W) {
    const Q = P(base), H = ONE / 2, m = Math.max(-low, high);
    Object.assign(this, { part, low, high, base, W, m, densities: rowByRow.densities });
    const zeroOdds = [new Odds(W, Q, 128), new Odds(32, Q, 128), new Odds(512, Q, 128)];
    this.zeros = new BitModel(new Mixer(0.6, 0.6, 0.4, 0.3), ...zeroOdds);
    const signOdds = [new Odds(27, H, 64), new Odds(W, H, 128), new Odds(11, H, 64)];
    this.signs = new BitModel(new Mixer(0.8, 0.5, 0.3), ...signOdds);
    this.magnitudes = Array.from({ length: m }, () => new BitModel(
      new Mixer(0.3, 0.3, 0.3, 0.3),
      new Odds(1, H, 64), new Odds(W, H, 128), new Odds(25, H, 64), new Odds(4 * m + 1, H, 64),
    ));
  }

  /** Reads the levels of a row; parents[i][j] is parent i of column j. */
  read(symbol, parents) {
    const levels = this.readZeros(symbol, parents);
    let columns = [...levels.keys()].filter((j) => levels[j] !== 0);
    const positive = this.readSigns(columns, parents);
    const sign = new Map(columns.map((j, i) => [j, positive[i] ? 1 : -1]));
    for (let h = 1; h < this.m && columns.length > 0; h++) {
      const more = this.readMagnitudes(h, columns, parents);
      columns = columns.filter((_, i) => more[i]);
      for (const j of columns) levels[j]++;
    }
    for (const [j, s] of sign) levels[j] *= s;
    check(levels.every((l) => l >= this.low && l <= this.high), "a level is out of the bounds");
    return levels;
  }

  /** Reads which levels are not zero. */
  readZeros(symbol, parents) {
    const { base, W } = this, columns = new Float64Array(W).map((_, j) => j);
    const [inColumn, inParents, inBoth] = this.zeros.odds;
    const less = (odds, contexts) => contexts.map((context) => odds.logOdds(context) - base);
    const first = less(inColumn, columns);
    const g = columns.map((j) => parents.reduce((sum, row, i) => sum | (row[j] ? 1 << i : 0), 0));
    const c = first.map((y) => cut(Math.floor((y + 1024) / 2048) + 8, 0, 15));
    const both = columns.map((j) => 32 * c[j] + g[j]);
    const density = this.densities ? (symbol - 8) * 1893 : 0;
    const inputs = [first, columns.map(() => density), less(inParents, g), less(inBoth, both)];
    return Int32Array.from(this.zeros.readBits(this.part, base, inputs, [columns, g, both]));
  }

  /** Reads which of the levels in these columns are positive. */
  readSigns(columns, parents) {
    if (this.low === 0 || this.high === 0) return columns.map(() => this.low === 0);
    const t = columns.map((j) => parents.map((row) => Math.sign(row[j])));
    return this.signs.read(this.part, [
      t.map((signs) => 9 * (signs[0] + 1) + 3 * (signs[1] + 1) + signs[3] + 1),
      columns,
      t.map((signs) => signs.reduce((a, b) => a + b, 5)),
    ]);
  }

  /** Reads which of the levels in these columns are of a magnitude above h. */
  readMagnitudes(h, columns, parents) {
    const u = columns.map((j) => parents.map((row) => Math.abs(row[j])));
    const f = (magnitude) => cut(magnitude - h + 2, 0, 4);
    return this.magnitudes[h].read(this.part, [
      columns.map(() => 0),
      columns,
      u.map((magnitudes) => 5 * f(magnitudes[0]) + f(magnitudes[1])),
      u.map((magnitudes) => magnitudes[0] + magnitudes[1] + magnitudes[2] + magnitudes[3]),
    ]);
  }
}

/** Reads levels; `hints` maps a number of rows or columns to which of them are likely alive. */
function rowByRowLevels(part, facts, hints) {
  const { entries, low, high } = facts, { transposed, densities, period, R, C } = facts.rowByRow;
  const columnsAlive = chain(part, 2, C, 1, hints.get(C) ?? []);
  const columns = [...columnsAlive.keys()].filter((c) => columnsAlive[c]);
  const W = columns.length;
  check(W <= 2 ** 19, "too many columns are alive");
  const base = 512 * (part.symbol(equalShares(192)) - 96);
  const rowSymbols = chain(part, densities ? 15 : 2, R, period, hints.get(R) ?? []);

  const distances = period > 1 ? [1, period, period + 1, period - 1, 2] : [1, 2, 3, 4, 5];
  const reader = new RowReader(part, facts, base, W);
  const levels = new Int32Array(entries), rows = [], none = new Int32Array(W);
  for (let r = 0; r < R; r++) {
    rows[r] = none;
    if (rowSymbols[r] === 0) continue;
    if (W === 1 && low === 0 && high === 1) rows[r] = none.map(() => 1);
    else rows[r] = reader.read(rowSymbols[r], distances.map((d) => rows[r - d] ?? none));
    columns.forEach((c, j) => (levels[transposed ? c * R + r : r * C + c] = rows[r][j]));
  }
  const columnHints = new Uint8Array(C);
  columns.forEach((c, j) => (columnHints[c] = rows.some((row) => row[j] !== 0) ? 1 : 0));
  hints.set(R, Uint8Array.from(rows, (row) => (row.some((level) => level !== 0) ? 1 : 0)));
  hints.set(C, columnHints);
  return levels;
}

// ---------------------------------------------------------------------------- values

/** The value of an entry of one of the types that JavaScript has no typed array for. */
function decodeFloat(bits, { E, M, bias, special }) {
  const ones = 2 ** E - 1, exponent = (bits >> M) & ones, mantissa = bits & (2 ** M - 1);
  const sign = special !== "unsigned" && (bits >> (E + M)) & 1 ? -1 : 1;
  if (special === "ieee" && exponent === ones) return mantissa ? NaN : sign * Infinity;
  if (special === "fn" && exponent === ones && mantissa === 2 ** M - 1) return NaN;
  if (special === "fnuz" && sign < 0 && exponent + mantissa === 0) return NaN;
  if (special === "unsigned") return exponent === ones ? NaN : 2 ** (exponent - bias);
  if (exponent === 0) return sign * mantissa * 2 ** (1 - bias - M);
  return sign * (2 ** M + mantissa) * 2 ** (exponent - bias - M);
}

/** Rounds a number of binary64 to a floating-point type, ties to even. */
function roundTo(x, { E, M, bias, special }) {
  if (M === 52 || Number.isNaN(x)) return x;
  if (M === 23) return Math.fround(x);
  const size = Math.abs(x), top = 2 ** (2 ** E - 1 - bias - (special === "ieee" ? 1 : 0));
  const most = top * (2 - 2 ** -M - (special === "fn" ? 2 ** -M : 0));
  let unit = 2 ** (1 - bias - M);
  while (size < Infinity && size / unit >= 2 ** (M + 1)) unit *= 2;
  const down = Math.floor(size / unit), rest = size / unit - down;
  const up = rest > 0.5 || (rest === 0.5 && down % 2 === 1);
  const rounded = size < Infinity ? (down + (up ? 1 : 0)) * unit : size;
  if (special === "fnuz" && rounded === 0) return 0;
  if (rounded <= most) return Math.sign(x) * rounded;
  if (special === "fn" || special === "fnuz") return NaN;
  return Math.sign(x) * (special === "ieee" ? Infinity : most);
}

/** The values of entries, from their bytes. */
function valuesOf(bytes, { bits, format, view }) {
  const entries = new view(bytes.buffer);
  if (format && bits < 32) {
    return Float32Array.from(entries, (entry) => decodeFloat(entry & (2 ** bits - 1), format));
  }
  return bits < 8 ? lastBits(entries, bits) : entries;
}

/** Keeps the last bits of bytes, with a sign if the typed array has one. */
function lastBits(entries, bits) {
  return entries.map((entry) =>
    entries instanceof Int8Array ? (entry << (32 - bits)) >> (32 - bits) : entry & (2 ** bits - 1));
}

/** The bytes of n entries, of which entry i is number `indexOf(i)` of a list. */
function gather(list, each, n, indexOf) {
  const result = new Uint8Array(n * each);
  for (let i = 0; i < n; i++) {
    const at = indexOf(i) * each;
    check(at < list.length, "a level has no value");
    result.set(list.subarray(at, at + each), i * each);
  }
  return result;
}

/** The table of a mirrored array: its values negated, zero if there is one, and its values. */
function mirror(values, { bits, bytes }, hasZero) {
  const p = values.length / bytes, negated = gather(values, bytes, p, (i) => p - 1 - i);
  for (let i = 1; i <= p; i++) negated[i * bytes - 1] ^= 1 << ((bits - 1) % 8);
  return Uint8Array.from([...negated, ...new Uint8Array(hasZero ? bytes : 0), ...values]);
}

/** Reads what all entries need: the values of a table or the steps, then the factors. */
function readCommon(part, { kind, type, shape, entries, low, high, axes, ...facts }) {
  const common = {};
  if (kind === "table") common.table = planes(part, high - low + 1, type.bytes);
  if (kind === "mirrored") {
    common.table = mirror(planes(part, facts.positive, type.bytes), type, high === facts.positive);
  }
  if (kind === "step" || kind === "steps") {
    const steps = product(facts.stepAxes.map((axis) => shape[axis]));
    common.steps = valuesOf(planes(part, steps, type.bytes), type);
  }
  if (axes && entries) common.factors = axes.map((axis) => counted(part, 64, shape[axis]));
  return common;
}

/** Reads the values of the entries [begin, end). */
function readEntries(part, facts, common, begin, end, { hints, unpackLzma }) {
  const { kind, type } = facts, n = end - begin, each = type.bytes;
  if (kind === "plain") return valuesOf(planes(part, n, each), type);
  if (kind === "arranged") return valuesOf(readArranged(part, facts, unpackLzma), type);
  let levels = new Int32Array(0);
  if (n > 0 && facts.rowByRow) levels = rowByRowLevels(part, facts, hints);
  else if (n > 0) levels = scaledLevels(part, facts, common.factors, begin, end);
  if (kind === "floats") return valuesOf(readFloats(part, facts, levels), type);
  if (kind === "step" || kind === "steps") return stepValues(facts, common.steps, levels, begin);
  if (kind === "sparse") return valuesOf(readSparse(part, each, levels), type);
  return valuesOf(gather(common.table, each, n, (i) => levels[i] - facts.low), type);
}

/** Reads the entries whose level is 1; the others are zero. */
function readSparse(part, each, levels) {
  const ones = [...levels.keys()].filter((i) => levels[i] === 1);
  const stored = planes(part, ones.length, each), bytes = new Uint8Array(levels.length * each);
  ones.forEach((i, j) => bytes.set(stored.subarray(j * each, (j + 1) * each), i * each));
  return bytes;
}

/** Level * step, for integers modulo 2 to the number of their bits. */
function stepValues({ type, shape, stepAxes }, steps, levels, begin) {
  const big = steps instanceof BigInt64Array || steps instanceof BigUint64Array;
  const values = new steps.constructor(levels.length); // It wraps integers as they are stored.
  const places = stepAxes.map((axis) => placeAlong(shape, axis));
  levels.forEach((level, i) => {
    const index = places.reduce((sum, place, a) => sum * shape[stepAxes[a]] + place(begin + i), 0);
    const step = steps[index];
    const value = big ? BigInt(level) * step : level * step;
    values[i] = type.format ? roundTo(value, type.format) : value;
  });
  return type.bits < 8 && !type.format ? lastBits(values, type.bits) : values;
}

/** Puts together the bytes of floats, from exponents, first bits of mantissas, and other bits. */
function readFloats(part, { type, highest }, levels) {
  const { E, M } = type.format, B = M - 2, n = levels.length;
  const classes = Uint8Array.from(levels, (level) => Math.max(1, 47 + level));
  const firstBits = readClasses(part, 8, classes);
  const rest = new Float64Array(n);
  for (let left = B; left > 0; ) {
    const bits = left % 8 || 8;
    pieces(part, bits, n).forEach((piece, i) => (rest[i] = rest[i] * 2 ** bits + piece));
    left -= bits;
  }
  const words = type.bits === 16 ? new Uint16Array(n) : new Uint32Array(n * (type.bits / 32));
  for (let i = 0; i < n; i++) {
    const sign = Math.floor(rest[i] / 2 ** (M - 3));
    const mantissa = firstBits[i] * 2 ** (M - 3) + (rest[i] % 2 ** (M - 3));
    const upper = sign * 2 ** E + highest + levels[i];
    if (type.bits < 64) words[i] = upper * 2 ** M + mantissa;
    else {
      words[2 * i] = mantissa % 2 ** 32;
      words[2 * i + 1] = upper * 2 ** 20 + Math.floor(mantissa / 2 ** 32);
    }
  }
  return new Uint8Array(words.buffer);
}

/** Reads the numbers of an arranged array: packed by LZMA, or as planes. */
function readNumbers(part, { type, packed, names }, n, unpackLzma) {
  if (!packed) return planes(part, n, type.bytes);
  if (!unpackLzma) throw new Error(`array ${names.join("/")} is packed by LZMA, which is not here`);
  const length = n * type.bytes, model = equalShares(256);
  let size = 0, dictionary = 4096;
  for (let i = 0; i < 5; i++) size += part.symbol(model) * 256 ** i;
  check(size <= length + Math.floor(length / 8) + 64, "a stream of LZMA is too long");
  while (dictionary < Math.min(length, 2 ** 26)) dictionary *= 2;
  const lp = Math.log2(type.bytes), settings = { lc: Math.min(2, 4 - lp), lp, pb: lp, dictionary };
  const numbers = unpackLzma(part.rawBytes(size), length, settings);
  check(numbers.length === length, "a stream of LZMA has the wrong length");
  return Uint8Array.from(numbers);
}

/** Which of the numbers of an array in *columns* or *symmetric* entry i is. */
function numberOf({ shape, entries, order }, i) {
  const rows = shape[0], columns = entries / rows, r = Math.floor(i / columns), c = i % columns;
  if (order === 1) return c * rows + r;
  const above = Math.min(r, c); // Rows above this one are shorter by 0, 1, 2, ... entries.
  return (above * (2 * rows - above - 1)) / 2 + Math.max(r, c);
}

/** Reads entries in some order, and returns their bytes in row-major order. */
function readArranged(part, facts, unpackLzma) {
  const { type, shape, entries, order } = facts, each = type.bytes;
  const stored = order === 3 ? (shape[0] * (shape[0] + 1)) / 2 : entries;
  const numbers = readNumbers(part, facts, stored, unpackLzma);
  if (order === 2) addUp(numbers, each, shape[shape.length - 1]);
  if (order % 2 === 0) return numbers;
  return gather(numbers, each, entries, (i) => numberOf(facts, i));
}

/** Adds to each entry the one before it along the last axis, byte by byte with a carry. */
function addUp(bytes, each, size) {
  for (let at = 0, carry = 0; at < bytes.length; at++) {
    if (at % each === 0) carry = 0;
    if (at % (each * size) < each) continue;
    carry += bytes[at] + bytes[at - each];
    bytes[at] = carry;
    carry >>= 8;
  }
}

/** Reads the values of an array from its parts, or from the main stream. */
function readValues(parts, facts, given) {
  const k = parts.length, { entries } = facts;
  const common = readCommon(parts[0], facts);
  const pieces = parts.map((part, i) => {
    const begin = Math.floor((entries * i) / k), end = Math.floor((entries * (i + 1)) / k);
    return readEntries(part, facts, common, begin, end, given);
  });
  if (k === 1) return pieces[0];
  const values = new pieces[0].constructor(entries);
  pieces.forEach((piece, i) => values.set(piece, Math.floor((entries * i) / k)));
  return values;
}

// ---------------------------------------------------------------------------- file

/** Reads the footer from its end, and finds the parts and the main stream. */
function readLayout(bytes) {
  let end = bytes.length - 8;
  const number = () => readNumber(() => bytes[--end]);
  const first = number(), hasMore = first % 2 === 1, n = Math.floor(first / 2), places = new Set();
  let r = end - n - 5, partCount = 0;
  if (hasMore) {
    r = number(), partCount = number();
    for (let left = number(); left > 0; left--) places.add(number());
  }
  const coded = end - n, raw = coded - r, digests = raw - 8 * partCount;
  check(r >= 0 && digests >= 5, "the main stream is too long");
  return { digests, raw, coded, end, partCount, places };
}

function checkDigest(bytes, digest, what) {
  check(blake2b(bytes).every((byte, i) => byte === digest[i]), `the checksum of ${what} is wrong`);
}

/** Takes the next part, of so many coded and raw bytes, and checks its digest. */
function takePart(file, coded, raw) {
  const { bytes, digests, taken } = file, middle = file.at + raw, end = middle + coded;
  check(taken < file.partCount && end <= digests, "there are too few parts");
  const digest = bytes.subarray(digests + 8 * taken, digests + 8 * taken + 8);
  checkDigest(bytes.subarray(file.at, end), digest, `part ${taken}`);
  const part = new Part(bytes.subarray(file.at, middle), bytes.subarray(middle, end));
  Object.assign(file, { taken: taken + 1, at: end });
  return part;
}

function takeParts(text, file, { kind, rowByRow, entries }) {
  const k = text.number(), most = kind === "arranged" || rowByRow ? 1 : Math.max(1, entries);
  check(k >= 1 && k <= most, "a wrong number of parts");
  const sizes = Array.from({ length: k }, () => [text.number(), text.number()]);
  return sizes.map(([coded, raw]) => takePart(file, coded, raw));
}

/** Counts an array's bytes and steps against the limits of the whole file. */
function spend(file, { type, entries, rowByRow, low, high }) {
  file.bytesLeft -= entries * type.bytes;
  if (rowByRow && entries) file.stepsLeft -= rowByRow.R * Math.max(1, -low, high) + rowByRow.C;
  check(file.bytesLeft >= 0 && file.stepsLeft >= 0, "the arrays are too large for the file");
}

/** Reads the facts and the values of an array. */
function readArray(names, text, main, file, arrays) {
  let first = text.byte();
  if (first === 255) {
    const index = arrays.length - text.number(), other = arrays[index];
    check(other && !other.same, "an array is the same as none");
    check(other.apart || file.places.has(index), "an array is the same as one without a place");
    spend(file, other.facts);
    return { ...other, names, same: true, values: other.values.slice() };
  }
  const apart = first === 254;
  if (apart) first = text.byte();
  const facts = { names, ...readFacts(text, main, first) };
  spend(file, facts);
  const parts = apart ? takeParts(text, file, facts) : [main];
  const values = readValues(parts, facts, apart ? { ...file, hints: new Map() } : file);
  if (apart) parts.forEach((part) => part.checkUsedUp());
  return { names, apart, facts, values };
}

/**
 * Reads a .jxc file of version 3: a list of `{names, dtype, shape, values}`, one for each array.
 * Names are strings, or BigInts for keys that are integers. Empty dicts and metadata are left out.
 * Arrays packed by LZMA need the option `unpackLzma(stream, length, {lc, lp, pb, dictionary})`.
 */
export function read(bytes, { unpackLzma } = {}) {
  check([0x89, 0x4a, 0x58, 0x43].every((byte, i) => byte === bytes[i]), "it does not begin as one");
  const version = bytes[4];
  if (version !== 3) throw new Error(`version ${version} of .jxc is not supported, only version 3`);
  check(bytes.length >= 14, "it is too short");
  const layout = readLayout(bytes), size = bytes.length;
  const covered = new Uint8Array([...bytes.subarray(0, 5), ...bytes.subarray(layout.digests, -8)]);
  checkDigest(covered, bytes.subarray(-8), "the file");

  const limits = { bytesLeft: 8192 * size + 2 ** 20, stepsLeft: 16 * size + 1024 };
  const file = { bytes, at: 5, taken: 0, hints: new Map(), unpackLzma, ...limits, ...layout };
  const main = new Part(bytes.subarray(layout.raw, layout.coded),
    bytes.subarray(layout.coded, layout.end));
  const text = new Text(main, PRIMER, 64 * size + 4096);
  const arrays = [], tree = new Map();
  for (let path; (path = readNames(text)); ) {
    checkPath(tree, path.names);
    if (!path.isDict) arrays.push(readArray(path.names, text, main, file, arrays));
  }
  main.checkUsedUp();
  check(file.taken === file.partCount && file.at === file.digests, "parts are left over");
  return arrays.map(({ names, facts, values }) =>
    ({ names, dtype: facts.type.name, shape: facts.shape, values }));
}
