// The page from its beginning: unpack the model, start the workers, build the wall and the bench.

function byId(id) {
  return document.getElementById(id);
}

function say(text) {
  byId('notice').textContent = text;
}

// The text of an element with data, which is taken out of the page: it is some 14 MB.
function take(id) {
  const element = byId(id), text = element.textContent.trim();
  element.remove();
  return text;
}

function decode(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64).buffer;
  const characters = atob(base64), bytes = new Uint8Array(characters.length);
  for (let k = 0; k < bytes.length; k++) bytes[k] = characters.charCodeAt(k);
  return bytes.buffer;
}

// The directions, which lie among the arrays in float32: arrays of length zDim.
function readDirections({arrays}, buffer) {
  let at = 0;
  for (const {name, shape} of arrays) {
    const size = shape.reduce((product, length) => product * length, 1);
    if (name === 'directions') {
      const all = new Float32Array(buffer, at, size);
      return Array.from({length: shape[0]}, (_, k) => [...all.subarray(k * shape[1], (k + 1) * shape[1])]);
    }
    at += 4 * size;
  }
}

function wordsInAddress() {
  return new URLSearchParams(location.hash.slice(1));
}

// "#seeds=7,12,40" → [7, 12, 40]; what is no seed is told and left out.
function seedsInAddress() {
  const words = wordsInAddress().get('seeds')?.split(',').filter(Boolean) ?? [];
  const isSeed = (word) => /^\d+$/.test(word) && Number(word) < SEEDS;
  const wrong = words.filter((word) => !isSeed(word));
  say(wrong.length ? `The link holds “${wrong[0]}”, which is no seed: seeds are whole numbers below ${SEEDS}.` : '');
  return words.filter(isSeed).map(Number);
}

function describe({title, pictures, licence, facts}) {
  const name = title.charAt(0).toUpperCase() + title.slice(1).replaceAll('_', ' ');
  byId('title').textContent = document.title = name;
  if (pictures) byId('learnt').textContent = `, which learnt from ${pictures.toLocaleString('en')} pictures,`;
  byId('licence').textContent = licence ? `Licence: ${licence}` : 'Licence: none is stated';
  for (const [fact, value] of facts) {
    const [term, text] = ['dt', 'dd'].map((tag) => document.createElement(tag));
    term.textContent = fact;
    text.textContent = value;
    byId('facts').append(term, text);
  }
}

function tellProgress({waiting, milliseconds}) {
  const busy = waiting > 0;
  byId('waiting').textContent = busy ? `(${waiting} to go)` : '';
  if (busy !== tellProgress.busy) {
    byId('status').textContent =
      busy ? 'Making pictures …' : `Ready: a picture takes ${Math.round(milliseconds)} ms.`;
  }
  tellProgress.busy = busy;
}

function start() {
  const model = JSON.parse(take('model'));
  describe(model);
  const buffer = decode(take('weights'));
  const source = [...document.querySelectorAll('script.worker')].map((script) => script.textContent).join('\n');
  const directions = readDirections(model, buffer);
  const make = startWorkers(model, buffer, source, tellProgress, (message) => say(`This did not work: ${message}`));

  const kind = byId('kind');
  kind.append(...model.kinds.map((name, place) => new Option(name, place)));
  byId('kinds').hidden = !model.kinds.length;

  function makeOfKind(z, options) {
    return make(withKind(z, Number(kind.value), model), options);
  }

  const wall = makeWall(byId('wall'), byId('end'), (seed, wanted) => makeOfKind(zOfSeed(seed, model.zDim), {wanted}),
                        (seed) => bench.toggle(seed));
  const bench = makeBench(model, makeOfKind, directions, say, (seeds) => {
    wall.mark(seeds);
    const words = new URLSearchParams(seeds.length ? {seeds} : {});
    if (model.kinds.length && seeds.length) words.set('kind', model.kinds[kind.value]);
    history.replaceState(null, '', `#${String(words).replaceAll('%2C', ',')}`);
  });
  kind.addEventListener('change', () => {
    wall.renew();
    bench.renew();
  });

  function open() {
    const wanted = seedsInAddress(), place = model.kinds.indexOf(wordsInAddress().get('kind'));
    if (place >= 0) kind.value = place;
    return wanted;
  }

  function begin(seed) {
    byId('first').value = seed;
    wall.begin(seed);
  }
  byId('go').addEventListener('submit', (event) => {
    event.preventDefault();
    begin(Number(byId('first').value));
  });
  byId('elsewhere').addEventListener('click', () => begin(Math.floor(Math.random() * SEEDS)));
  window.addEventListener('hashchange', () => {
    const seeds = open();
    wall.renew();
    bench.pin(seeds);
  });
  kind.value = model.firstKind;
  const wanted = open();
  begin(model.firstSeed);
  bench.pin(wanted.length ? wanted : model.pinned);
}

start();
