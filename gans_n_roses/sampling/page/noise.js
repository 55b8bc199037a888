// z: the noise that a picture is made from, as networks/noise.py draws it, and ways between several z.

// A seed's z, uniform in (-1, 1): what NumPy's RandomState(seed).uniform(-1, 1, zDim) gives, as float32.
function zOfSeed(seed, zDim) {
  const next = mersenneTwister(seed);
  return Float32Array.from({length: zDim}, () => {
    const high = next() >>> 5, low = next() >>> 6;  // 27 and 26 bits
    return 2 * (high * 2 ** 26 + low) / 2 ** 53 - 1;
  });
}

// z with a kind beside it, one-hot, as the generator of a model that knows kinds takes it.
function withKind(z, kind, {kinds, kindWeight}) {
  const both = new Float32Array(z.length + kinds.length);
  both.set(z);
  if (kinds.length) both[z.length + kind] = kindWeight;
  return both;
}

// MT19937 (Matsumoto and Nishimura 1998, doi:10.1145/272991.272995): a function that gives the next 32 bits.
function mersenneTwister(seed) {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let k = 1; k < 624; k++) {
    state[k] = Math.imul(1812433253, state[k - 1] ^ state[k - 1] >>> 30) + k;
  }
  let at = 624;
  return () => {
    if (at === 624) {
      at = 0;
      for (let k = 0; k < 624; k++) {
        const joined = state[k] & 0x80000000 | state[(k + 1) % 624] & 0x7fffffff;
        state[k] = state[(k + 397) % 624] ^ joined >>> 1 ^ (joined & 1 ? 0x9908b0df : 0);
      }
    }
    let bits = state[at++];
    bits ^= bits >>> 11;
    bits ^= bits << 7 & 0x9d2c5680;
    bits ^= bits << 15 & 0xefc60000;
    return (bits ^ bits >>> 18) >>> 0;
  };
}

// Each coordinate of z is uniform. Carried to the normal distribution by its quantile, points may be turned, shifted
// and added, and are as likely as in training when they are carried back (White 2016, arXiv:1609.04468).

function toNormal(z) {
  return Array.from(z, (number) => quantile(Math.min(1 - 1e-9, Math.max(1e-9, (number + 1) / 2))));
}

function fromNormal(point) {
  return Float32Array.from(point, (number) => erf(number / Math.SQRT2));
}

// The point that lies this share of the way from a to b, on a great circle: distances from the middle change evenly.
function between(a, b, share) {
  const angle = Math.acos(Math.min(1, Math.max(-1, dot(a, b) / (norm(a) * norm(b)))));
  if (Math.sin(angle) < 1e-6) return a.map((number, k) => (1 - share) * number + share * b[k]);
  const parts = [Math.sin((1 - share) * angle), Math.sin(share * angle)].map((part) => part / Math.sin(angle));
  return a.map((number, k) => parts[0] * number + parts[1] * b[k]);
}

// a - b + c, as far from the middle as one picture is: a alone where b is c, and c alone where a is b.
function analogy(a, b, c) {
  const sum = a.map((number, k) => number - b[k] + c[k]), length = norm(a) * norm(c) / norm(b);
  return sum.map((number) => number * length / Math.max(norm(sum), 1e-9));
}

function shifted(point, directions, amounts) {
  return point.map((number, k) =>
    directions.reduce((sum, direction, which) => sum + amounts[which] * direction[k], number));
}

const dot = (a, b) => a.reduce((sum, number, k) => sum + number * b[k], 0);
const norm = (a) => Math.sqrt(dot(a, a));
const polynomial = (x, ...coefficients) => coefficients.reduceRight((sum, each) => sum * x + each, 0);

// The normal distribution's quantile, to 7 digits (Wichura 1988, algorithm AS 241, PPND7).
function quantile(p) {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) {
    const r = 0.180625 - q * q;
    return q * polynomial(r, 3.3871327179, 50.434271938, 159.29113202, 59.10937472) /
      polynomial(r, 1, 17.895169469, 78.757757664, 67.1875636);
  }
  const r = Math.sqrt(-Math.log(Math.min(p, 1 - p)));
  return Math.sign(q) * (r <= 5
    ? polynomial(r - 1.6, 1.4234372777, 2.75681539, 1.3067284816, 0.17023821103) /
      polynomial(r - 1.6, 1, 0.7370016425, 0.12021132975)
    : polynomial(r - 5, 6.657905115, 3.081226386, 0.42868294337, 0.017337203997) /
      polynomial(r - 5, 1, 0.24197894225, 0.012258202635));
}

// The error function, to 7 digits (Abramowitz and Stegun 1964, 7.1.26).
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  return Math.sign(x) * (1 - Math.exp(-x * x) *
    t * polynomial(t, 0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429));
}
