// The wall: pictures by seed, which goes on as one scrolls. Only those near the screen are made and kept.

const SEEDS = 2 ** 32;  // after the largest seed follows 0
const AT_ONCE = 24;

// Build the wall. make(seed, wanted) → Promise of an ImageData or null; pick(seed) is called on a click.
// Returns {begin(seed), renew(), mark(seeds)}: begin anew at a seed; make all pictures anew; show which seeds are pinned.
function makeWall(wall, end, make, pick) {
  let next = 0, pinned = new Set(), round = 0;

  const nearby = new IntersectionObserver((entries) => {
    for (const {target, isIntersecting} of entries) {
      target.near = isIntersecting;
      if (isIntersecting && !target.drawn) draw(target);
    }
  }, {rootMargin: '50% 0%'});

  const farAway = new IntersectionObserver((entries) => {
    for (const {target, isIntersecting} of entries) {
      if (isIntersecting) continue;
      target.drawn = false;
      target.firstChild.width = 0;  // frees its memory
    }
  }, {rootMargin: '200% 0%'});

  async function draw(button) {
    const mine = round;
    const image = await make(Number(button.dataset.seed), () => button.near && !button.drawn && mine === round);
    if (!image || mine !== round) return;
    button.drawn = true;
    paint(button.firstChild, image);
  }

  function add() {
    for (let k = 0; k < AT_ONCE; k++, next = (next + 1) % SEEDS) {
      const button = document.createElement('button');
      button.dataset.seed = next;
      button.setAttribute('aria-label', `Picture of seed ${next}`);
      button.setAttribute('aria-pressed', pinned.has(next));
      button.tabIndex = wall.children.length ? -1 : 0;  // one stop for the Tab key; arrows move within
      const label = document.createElement('span');
      label.textContent = next;
      button.append(document.createElement('canvas'), label);
      wall.append(button);
      nearby.observe(button);
      farAway.observe(button);
    }
  }

  new IntersectionObserver(([entry], observer) => {
    if (!entry.isIntersecting || !wall.children.length) return;
    add();
    observer.unobserve(end);  // asks again whether the end is near
    observer.observe(end);
  }, {rootMargin: '100% 0%'}).observe(end);

  wall.addEventListener('click', ({target}) => {
    const button = target.closest('button');
    if (button) pick(Number(button.dataset.seed));
  });

  wall.addEventListener('focusin', ({target}) => {
    for (const stop of wall.querySelectorAll('[tabindex="0"]')) stop.tabIndex = -1;
    target.tabIndex = 0;
  });

  wall.addEventListener('keydown', (event) => {
    const columns = getComputedStyle(wall).gridTemplateColumns.split(' ').length;
    const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns}[event.key];
    const buttons = [...wall.children], to = buttons[buttons.indexOf(document.activeElement) + step];
    if (!to) return;
    event.preventDefault();
    to.focus();
  });

  return {
    begin(seed) {
      nearby.disconnect();
      farAway.disconnect();
      for (const button of wall.children) button.near = false;
      wall.replaceChildren();
      next = seed;
      add();
    },
    renew() {
      round += 1;
      for (const button of wall.children) {
        button.drawn = false;
        if (button.near) draw(button);
      }
    },
    mark(seeds) {
      pinned = new Set(seeds);
      for (const button of wall.children) button.setAttribute('aria-pressed', pinned.has(Number(button.dataset.seed)));
    },
  };
}

function paint(canvas, image) {
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext('2d').putImageData(image, 0, 0);
}
