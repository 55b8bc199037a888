// The generator once more, in a browser: the network of networks/models.py with the weights of one saved model.
// Layers hand on {size, channels, values}: values is a Float32Array [size, size, channels], row by row.
// This text runs in workers, beside the page, so that the page stays alive while they compute.

const BASE_SIZE = 4;

// z → RGBA of one picture. Shapes at the right are those at 64 pixels; in the loop, after its three passes.
function generate(model, z) {
  let h = dense(model, z, 'g_h0_lin');                           // [4, 4, 512]
  h = normalizeAndRelu(model, h, 'g_bn1');
  for (let layer = 1; layer < model.layers; layer++) {           // [8, 8, 256]
    h = convTranspose(model, h, `g_h${layer}`);                  // [16, 16, 128]
    h = smooth(model, h, `g_smooth${layer}`);                    // [32, 32, 64]
    h = normalizeAndRelu(model, h, `g_bn${layer + 1}`);
  }
  h = convTranspose(model, h, `g_h${model.layers}`);             // [64, 64, 3]
  return toPicture(smooth(model, h, 'g_smooth'));
}

// z times a matrix, plus a bias.
function dense(model, z, name) {
  const matrix = model.values[`${name}/Matrix`], values = model.values[`${name}/bias`].slice();
  z.forEach((number, row) => {
    const at = row * values.length;
    for (let k = 0; k < values.length; k++) values[k] += number * matrix[at + k];
  });
  return {size: BASE_SIZE, channels: values.length / BASE_SIZE ** 2, values};
}

// Batch norm with frozen statistics is one scale and one shift for each channel. What is below zero becomes zero.
function normalizeAndRelu(model, h, name) {
  const scale = model.values[`${name}/scale`], shift = model.values[`${name}/shift`];
  for (let place = 0; place < h.values.length; place += h.channels) {
    for (let c = 0; c < h.channels; c++) h.values[place + c] = Math.max(0, h.values[place + c] * scale[c] + shift[c]);
  }
  return h;
}

// The transposed convolution of stride 2, with filters of 5×5, which doubles the size. Each place i of x lays a copy
// of the filter over the pixels 2i - 1 to 2i + 3 of the result. So, along rows as along columns, pixel 2i is reached by
// the places i and i - 1, and pixel 2i + 1 by three places: [place from i, tap of the filter].
const REACHED_BY = [[[0, 1], [-1, 3]], [[0, 2], [-1, 4], [1, 0]]];

function convTranspose(model, x, name) {
  const {sums, multiplyAdd} = model, w = model.values[`${name}/w`], b = model.values[`${name}/b`];
  const size = 2 * x.size, channels = b.length, values = new Float32Array(size * size * channels);
  const padded = withMargin(model, x), rowLength = (x.size + 2) * x.channels;
  const blocks = Math.ceil(channels / 4);  // w is [5, 5, blocks, x.channels, 4]: what is read together lies together
  for (const odd of [[0, 0], [0, 1], [1, 0], [1, 1]]) {
    const [rows, columns] = odd.map((parity) => REACHED_BY[parity]);
    for (let block = 0; block < blocks; block++) {
      for (let i = 0; i < x.size; i++) {
        for (let j = 0; j < x.size; j += 4) {  // four places side by side
          sums.fill(0);
          for (const [down, tapDown] of rows) {
            for (const [right, tapRight] of columns) {
              const from = (i + 1 + down) * rowLength + (j + 1 + right) * x.channels;
              const place = padded.byteOffset + 4 * from, step = 4 * x.channels;
              const weights = w.byteOffset + 16 * ((5 * tapDown + tapRight) * blocks + block) * x.channels;
              multiplyAdd(sums.byteOffset, weights,
                          place, place + step, place + 2 * step, place + 3 * step, place + step);
            }
          }
          for (let k = 0; k < 4; k++) {
            const to = ((2 * i + odd[0]) * size + 2 * (j + k) + odd[1]) * channels;
            for (let c = 4 * block; c < Math.min(4 * block + 4, channels); c++) {
              values[to + c] = sums[4 * k + c - 4 * block] + b[c];
            }
          }
        }
      }
    }
  }
  return {size, channels, values};
}

// A copy of x with one row of zeros above and below, and one column on the left and on the right.
function withMargin({padded}, x) {
  const line = x.size * x.channels;
  padded.fill(0);
  for (let row = 0; row < x.size; row++) {
    padded.set(x.values.subarray(row * line, (row + 1) * line), (row + 1) * (line + 2 * x.channels) + x.channels);
  }
  return padded;
}

// SMOOTH's filter, along columns and along rows, where the model has one here. Beyond an edge lies what is before it.
function smooth(model, h, name) {
  const taps = model.values[`${name}/taps`];
  if (!taps) return h;
  const last = h.size - 1, row = h.size * h.channels;
  for (const [step, across] of [[row, h.channels], [h.channels, row]]) {
    const from = h.values, to = new Float32Array(from.length);
    for (let i = 0; i <= last; i++) {
      for (let k = 0; k < taps.length; k++) {
        const source = last - Math.abs(last - Math.abs(i + k - 2));
        for (let line = 0; line <= last; line++) {
          const shift = line * across;
          for (let c = 0; c < h.channels; c++) to[i * step + shift + c] += taps[k] * from[source * step + shift + c];
        }
      }
    }
    h = {...h, values: to};
  }
  return h;
}

// tanh, then [-1, 1] → [0, 255]. One channel is grey, three are colours; of four the last is alpha, and the colours lie
// on middle grey as far as they are transparent, which is undone here.
function toPicture({size, channels, values}) {
  const rgba = new Uint8ClampedArray(4 * size * size).fill(255);  // it rounds as NumPy does
  for (let pixel = 0; pixel < size * size; pixel++) {
    const level = (channel) => (Math.tanh(values[pixel * channels + channel]) + 1) * 127.5, at = 4 * pixel;
    for (let c = 0; c < 3; c++) rgba[at + c] = level(channels === 1 ? 0 : c);
    if (channels === 4) {
      rgba[at + 3] = level(3);
      const opaque = Math.max(rgba[at + 3], 1) / 255;
      for (let c = 0; c < 3; c++) rgba[at + c] = 127.5 + (rgba[at + c] - 127.5) / opaque;
    }
  }
  return rgba;
}

// The model: arrays by name, all float32, in one memory together with the places that the loop reads and writes.
function openModel({layers, arrays}, buffer) {
  const sizes = arrays.map(({shape}) => shape.reduce((product, length) => product * length, 1));
  const starts = [0];
  for (const size of sizes) starts.push(starts.at(-1) + 4 * Math.ceil(size / 4));  // at whole vectors
  const widest = Math.max(...Array.from({length: layers}, (_, layer) =>
    (BASE_SIZE * 2 ** layer + 2) ** 2 * arrays.find(({name}) => name === `g_h${layer + 1}/w`).shape[3]));
  const length = starts.at(-1) + 16 + widest;
  const memory = new WebAssembly.Memory({initial: Math.ceil(4 * length / 65536)});
  const part = (start, size) => new Float32Array(memory.buffer, 4 * start, size);
  const values = {}, halves = float16Values();
  let read = 0;
  arrays.forEach(({name, type}, index) => {
    values[name] = part(starts[index], sizes[index]);
    if (type === 'float16') {
      const bits = new Uint16Array(buffer, read, sizes[index]), array = values[name];
      for (let k = 0; k < array.length; k++) array[k] = halves[bits[k]];
    } else {
      values[name].set(new Float32Array(buffer, read, sizes[index]));
    }
    read += sizes[index] * (type === 'float16' ? 2 : 4);
  });
  return {layers, values, sums: part(starts.at(-1), 16), padded: part(starts.at(-1) + 16, widest),
          multiplyAdd: fastestLoop(memory)};
}

// What each of the 65,536 float16 means: a sign, five bits of exponent, ten of fraction.
function float16Values() {
  return Float32Array.from({length: 65536}, (_, bits) => {
    const exponent = bits >> 10 & 31, fraction = (bits & 1023) / 1024;
    return (bits >> 15 ? -1 : 1) * (exponent ? (1 + fraction) * 2 ** (exponent - 15) : fraction * 2 ** -14);
  });
}

// The first message brings the model, each later one a z; the answer is its picture and how long it took.
let opened;
onmessage = ({data}) => {
  if (!opened) {
    opened = openModel(data.model, data.buffer);
    data.buffer.transfer?.(0);  // frees its memory now
    return;
  }
  const begun = performance.now(), rgba = generate(opened, data);
  postMessage({rgba, milliseconds: performance.now() - begun}, [rgba.buffer]);
};
