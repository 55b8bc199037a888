// The innermost loop of the generator, where nearly all of its time goes: for four places side by side, and four
// channels of the result,
//
//   sums[place][channel] += x[place][k] * w[k][channel], summed over k
//
// It is told twice. In plain JavaScript it is short to read, and it serves browsers that know no WebAssembly SIMD. In
// WebAssembly one instruction computes four channels, which takes about a tenth of the time. All addresses are in
// bytes, within one memory of float32; `limit` is where x0 ends.

function loopInJavaScript(memory) {
  const floats = new Float32Array(memory.buffer);
  return (sums, w, x0, x1, x2, x3, limit) => {
    const count = (limit - x0) / 4;
    [x0, x1, x2, x3].forEach((x, place) => {
      for (let channel = 0; channel < 4; channel++) {
        let sum = 0;
        for (let k = 0; k < count; k++) sum += floats[x / 4 + k] * floats[w / 4 + 4 * k + channel];
        floats[sums / 4 + 4 * place + channel] += sum;
      }
    });
  };
}

const PARAMETERS = ['sums', 'w', 'x0', 'x1', 'x2', 'x3', 'limit'];  // i32
const VECTORS = ['s0', 's1', 's2', 's3', 'weights'];  // v128: four float32
const PLACES = [0, 1, 2, 3];
const LOOP = `
  ${PLACES.map((p) => `local.get sums  v128.load ${16 * p}  local.set s${p}`).join('\n')}
  loop
    local.get w  v128.load 0  local.set weights
    ${PLACES.map((p) => `
      local.get s${p}  local.get x${p}  v128.load32_splat 0  local.get weights  f32x4.mul  f32x4.add  local.set s${p}
      local.get x${p}  i32.const 4  i32.add  local.set x${p}`).join('\n')}
    local.get w  i32.const 16  i32.add  local.set w
    local.get x0  local.get limit  i32.lt_u  br_if 0
  end
  ${PLACES.map((p) => `local.get sums  local.get s${p}  v128.store ${16 * p}`).join('\n')}
  end`;

// An instruction's bytes (webassembly.github.io/spec/core/binary); a load or store is followed by its alignment, 2**2.
const INSTRUCTIONS = {
  'loop': [0x03, 0x40], 'end': [0x0b], 'br_if': [0x0d], 'local.get': [0x20], 'local.set': [0x21],
  'i32.const': [0x41], 'i32.add': [0x6a], 'i32.lt_u': [0x49],
  'v128.load': [0xfd, 0x00, 2], 'v128.load32_splat': [0xfd, 0x09, 2], 'v128.store': [0xfd, 0x0b, 2],
  'f32x4.add': [0xfd, 0xe4, 0x01], 'f32x4.mul': [0xfd, 0xe6, 0x01],
};

function loopInWebAssembly(memory) {
  const names = [...PARAMETERS, ...VECTORS];
  const code = LOOP.trim().split(/\s+/).flatMap((word) =>
    INSTRUCTIONS[word] ?? [names.includes(word) ? names.indexOf(word) : Number(word)]);
  const counted = (bytes) => [bytes.length & 127 | 128, bytes.length >> 7, ...bytes];  // the length in two bytes
  const section = (id, ...bytes) => [id, ...counted(bytes)];
  const [i32, v128] = [0x7f, 0x7b];
  const module = new Uint8Array([
    0, ...new TextEncoder().encode('asm'), 1, 0, 0, 0,
    ...section(1, 1, 0x60, PARAMETERS.length, ...PARAMETERS.map(() => i32), 0),      // one type: i32 … → nothing
    ...section(2, 1, 1, 0x65, 1, 0x6d, 2, 0, 1),                                     // import the memory "e" "m"
    ...section(3, 1, 0),                                                             // one function, of that type
    ...section(7, 1, 1, 0x66, 0, 0),                                                 // export it as "f"
    ...section(10, 1, ...counted([1, VECTORS.length, v128, ...code])),               // its local variables, its code
  ]);
  return new WebAssembly.Instance(new WebAssembly.Module(module), {e: {m: memory}}).exports.f;
}

function fastestLoop(memory) {
  try {
    return loopInWebAssembly(memory);
  } catch (problem) {
    if (!(problem instanceof WebAssembly.CompileError)) throw problem;
    return loopInJavaScript(memory);
  }
}
