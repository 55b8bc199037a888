// Workers beside the page, one for each core, which make the pictures.

const MOST_BYTES = 64e6;  // of weights in all: each worker has a copy of its own

// Start the workers. Returns make(z, options) → Promise of an ImageData, or of null where it is no longer wanted:
//   urgent: it is made before all that are not;
//   wanted: function that is asked now and then: false takes it out of those that wait.
// tell({waiting, milliseconds}) is called whenever pictures begin or end to wait; problem(message) if a worker fails.
function startWorkers(model, buffer, source, tell, problem) {
  const bytes = 2 * buffer.byteLength;  // float16 becomes float32
  const count = Math.max(1, Math.min(navigator.hardwareConcurrency || 1, Math.floor(MOST_BYTES / bytes)));
  const url = URL.createObjectURL(new Blob([source], {type: 'text/javascript'}));
  const free = [];
  let jobs = [], running = 0, milliseconds = 0;

  function next() {
    for (const job of jobs.filter(({wanted}) => !wanted())) job.resolve(null);
    jobs = jobs.filter(({wanted}) => wanted());
    while (free.length && jobs.length) {
      const urgent = jobs.findIndex((job) => job.urgent);
      const [job] = jobs.splice(Math.max(urgent, 0), 1);
      const worker = free.pop();
      running += 1;
      worker.postMessage(job.z);
      worker.onmessage = ({data}) => {
        running -= 1;
        milliseconds = milliseconds ? 0.9 * milliseconds + 0.1 * data.milliseconds : data.milliseconds;
        free.push(worker);
        job.resolve(new ImageData(data.rgba, model.imageSize));
        next();
      };
    }
    tell({waiting: jobs.length + running, milliseconds});
  }

  for (let k = 0; k < count; k++) {
    const worker = new Worker(url);
    worker.onerror = (event) => problem(event.message);
    worker.postMessage({model, buffer});
    free.push(worker);
  }
  buffer.transfer?.(0);  // frees its memory now: each worker has a copy
  return (z, {urgent = false, wanted = () => true} = {}) => new Promise((resolve) => {
    jobs.push({z, urgent, wanted, resolve});
    next();
  });
}
