// The bench: the pinned pictures, and what can be done with them.

const CHANGE = 4;  // how far a direction's slider goes, in standard deviations
const WALK_MS = 4000;  // from one picture to the next, at middle speed
const MOST_WAITING = 4;  // pictures for the bench; older ones are not made any more

// Build the bench. make(z) → Promise of an ImageData; directions: arrays of length zDim; say(text) tells the user.
// changed(seeds) is called whenever other seeds are pinned. Returns {toggle(seed), pin(seeds), renew()}, which makes all
// pictures anew.
function makeBench(model, make, directions, say, changed) {
  const [shown, caption, play, position] = ['shown', 'caption', 'play', 'position'].map(byId);
  const points = new Map();  // seed → its point in normal coordinates, of all that are pinned
  const painted = new Map();  // seed → Promise that its small picture is there
  let mode = 'change', selected = null, asked = 0, drawn = 0, file = '', playing = false, frame = 0;

  const sliders = directions.map((_, k) => {
    const label = document.createElement('label'), slider = document.createElement('input');
    Object.assign(slider, {type: 'range', min: -CHANGE, max: CHANGE, step: 0.05, value: 0});
    label.append(`Direction ${k + 1}`, slider);
    byId('directions').append(label);
    return slider;
  });

  // What the bench shows now: {z, text, name of the file}, or just a text where too little is pinned.
  const SHOWS = {
    change() {
      if (selected === null) return {text: 'Pin a picture to change it.'};
      const amounts = sliders.map((slider) => Number(slider.value));
      if (!amounts.some(Boolean)) return ofSeed(selected);
      return {z: fromNormal(shifted(points.get(selected), directions, amounts)),
              text: `Seed ${selected}, changed`, name: `seed_${selected}_changed`};
    },
    walk() {
      const seeds = [...points.keys()];
      if (seeds.length < 2) return {text: 'Pin two pictures or more to walk between them.'};
      const at = Number(position.value), leg = Math.floor(at) % seeds.length;
      return mixed(seeds[leg], seeds[(leg + 1) % seeds.length], at % 1);
    },
    mix() {
      if (points.size < 2) return {text: 'Pin two pictures to mix them.'};
      return mixed(...chosen('mix'), Number(byId('share').value));
    },
    sum() {
      if (points.size < 3) return {text: 'Pin three pictures to add and subtract them.'};
      const [a, b, c] = chosen('sum');
      return {z: fromNormal(analogy(...[a, b, c].map((seed) => points.get(seed)))),
              text: `Seed ${a} − ${b} + ${c}`, name: `sum_${a}_${b}_${c}`};
    },
  };

  function ofSeed(seed) {
    return {z: zOfSeed(seed, model.zDim), text: `Seed ${seed}`, name: `seed_${seed}`};
  }

  function mixed(a, b, share) {
    if (share === 0 || share === 1) return ofSeed(share ? b : a);
    const percent = Math.round(100 * share);
    return {z: fromNormal(between(points.get(a), points.get(b), share)),
            text: `${percent} % of the way from seed ${a} to seed ${b}`, name: `mix_${a}_${b}_${percent}`};
  }

  function chosen(panel) {
    return [...document.querySelectorAll(`.panel[data-mode=${panel}] select`)].map((select) => Number(select.value));
  }

  // Show what the controls say. While one picture is being made others may be asked for; an older never hides a newer.
  async function show() {
    const {z, text: said, name = ''} = SHOWS[mode](), text = z && kindShown() ? `${said}, ${kindShown()}` : said;
    caption.textContent = text;
    const mine = ++asked;
    if (!z) {
      drawn = mine;
      file = name;
      shown.width = 0;
    } else {
      const image = await make(z, {urgent: true, wanted: () => mine > drawn && mine > asked - MOST_WAITING});
      if (!image || mine < drawn) return;
      drawn = mine;
      file = name;
      paint(shown, image);
    }
    shown.setAttribute('aria-label', text);
    byId('save').disabled = !z;
  }

  function step(before) {
    frame = requestAnimationFrame((now) => {
      const pace = 2 ** Number(byId('speed').value) / WALK_MS;
      position.value = (Number(position.value) + (now - before) * pace) % points.size;
      show();
      step(now);
    });
  }

  function setPlaying(on) {
    playing = on && points.size > 1;
    play.textContent = playing ? 'Pause' : 'Play';
    cancelAnimationFrame(frame);
    if (playing) step(performance.now());
  }

  function select(seed) {
    selected = seed;
    for (const {dataset, firstChild} of byId('pins').children) {
      firstChild.setAttribute('aria-pressed', dataset.seed === String(seed));
    }
    for (const slider of sliders) slider.value = 0;
    show();
  }

  function paintPin(seed, canvas) {
    const mine = make(zOfSeed(seed, model.zDim), {urgent: true}).then((image) => {
      if (painted.get(seed) === mine) paint(canvas, image);  // else one was asked for later
    });
    painted.set(seed, mine);
  }

  function renew() {
    for (const item of byId('pins').children) paintPin(Number(item.dataset.seed), item.querySelector('canvas'));
    changed([...points.keys()]);
    show();
  }

  function pin(seed) {
    const z = zOfSeed(seed, model.zDim);
    points.set(seed, toNormal(z));
    const item = document.createElement('li'), canvas = document.createElement('canvas');
    item.dataset.seed = seed;
    item.append(button('', `Show seed ${seed}`, () => { setMode('change'); select(seed); }),
                button('×', `Unpin seed ${seed}`, () => toggle(seed)));
    item.firstChild.append(canvas, String(seed));
    item.lastChild.className = 'unpin';
    byId('pins').append(item);
    paintPin(seed, canvas);
  }

  function unpin(seed) {
    points.delete(seed);
    painted.delete(seed);
    byId('pins').querySelector(`[data-seed="${seed}"]`).remove();
  }

  // After pins came or went: the lists to choose from, what can be done, the picture on the bench.
  function refresh(seed) {
    const seeds = [...points.keys()];
    for (const list of document.querySelectorAll('select[data-pin]')) {
      const before = Number(list.value), had = list.options.length > Number(list.dataset.pin);
      list.replaceChildren(...seeds.map((each) => new Option(`seed ${each}`, each)));
      list.value = had && points.has(before) ? before : seeds[Math.min(list.dataset.pin, seeds.length - 1)];
    }
    byId('nothing').hidden = seeds.length > 0;
    play.disabled = position.disabled = seeds.length < 2;
    position.max = seeds.length;  // from each to the next is 1
    for (const id of ['strip', 'copy', 'clear']) byId(id).disabled = !seeds.length;
    byId('link').hidden = true;
    if (seeds.length < 2) setPlaying(false);
    select(points.has(seed) ? seed : points.has(selected) ? selected : seeds.at(-1) ?? null);
    changed(seeds);
  }

  function toggle(seed) {
    if (points.has(seed)) unpin(seed);
    else pin(seed);
    refresh(seed);
  }

  function setMode(wanted) {
    mode = wanted;
    for (const each of byId('modes').children) each.setAttribute('aria-pressed', each.dataset.mode === mode);
    for (const panel of document.querySelectorAll('.panel')) panel.hidden = panel.dataset.mode !== mode;
    if (mode !== 'walk') setPlaying(false);
    show();
  }

  function enlarged(canvases) {
    const scale = Number(byId('scale').value), side = scale * model.imageSize;
    const picture = document.createElement('canvas');
    Object.assign(picture, {width: side * canvases.length, height: side});
    const context = picture.getContext('2d');
    context.imageSmoothingEnabled = false;  // the nearest pixel: nothing is made up
    canvases.forEach((canvas, k) => context.drawImage(canvas, k * side, 0, side, side));
    return picture;
  }

  // The name of the kind that is chosen; undefined where the model knows none.
  function kindShown() {
    return model.kinds[byId('kind').value];
  }

  function save(canvases, name) {
    const words = [name, kindShown()?.replace(/[^\p{L}\d.-]/gu, '_'), `${byId('scale').value}x`];
    enlarged(canvases).toBlob((blob) => {
      if (!blob) {
        say('That picture is too wide for this browser: take a smaller size, or pin fewer.');
        return;
      }
      const link = document.createElement('a');
      Object.assign(link, {href: URL.createObjectURL(blob), download: `${words.filter(Boolean).join('_')}.png`});
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      say(`Saved ${link.download}`);
    });
  }

  async function saveStrip() {
    const canvases = [...byId('pins').querySelectorAll('canvas')], seeds = [...points.keys()];
    await Promise.all(painted.values());
    save(canvases, `seeds_${seeds.slice(0, 9).join('_')}`);
  }

  async function copyLink() {
    const link = byId('link');
    link.value = location.href;
    link.hidden = false;
    link.select();
    try {
      await navigator.clipboard.writeText(link.value);
      say('The link is copied.');
    } catch {  // some browsers copy from pages of the web only
      say('Copy the link from the field.');
    }
  }

  byId('modes').addEventListener('click', ({target}) => target.dataset.mode && setMode(target.dataset.mode));
  for (const panel of document.querySelectorAll('.panel')) panel.addEventListener('input', show);
  position.addEventListener('input', () => setPlaying(false));
  play.addEventListener('click', () => setPlaying(!playing));
  byId('reset').addEventListener('click', () => select(selected));
  byId('save').addEventListener('click', () => save([shown], file));
  byId('strip').addEventListener('click', saveStrip);
  byId('copy').addEventListener('click', copyLink);
  byId('clear').addEventListener('click', () => repin([]));
  byId('unfold').addEventListener('click', ({target}) => {
    const opens = target.getAttribute('aria-expanded') === 'false';
    target.setAttribute('aria-expanded', opens);
    target.textContent = opens ? 'Back to the wall' : 'Play with them';
  });

  function repin(seeds) {
    for (const seed of [...points.keys()]) unpin(seed);
    for (const seed of new Set(seeds)) pin(seed);
    refresh(seeds.at(-1));
  }
  return {toggle, pin: repin, renew};
}

function button(text, label, click) {
  const made = document.createElement('button');
  made.textContent = text;
  made.setAttribute('aria-label', label);
  made.addEventListener('click', click);
  return made;
}
