/** What the demo shows: a picture that stays in place on a terminal, and a line for each write elsewhere. */

const colors = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code) => (text) => (colors ? `\x1b[${code}m${text}\x1b[0m` : text);
const bold = paint('1');
const dim = paint('2');
const hues = [paint('35'), paint('36'), paint('33')];

/** @typedef {{ url: string, folder: string, seconds: number, startedAt: number,
 *   endedAt?: number, ledger: import('./ledger.js').Ledger }} Scene */

/** Draws the same picture again and again, over itself. */
export class Picture {
  #drawn = 0;
  #timer;

  /** @param {Scene} scene */
  start(scene) {
    process.stdout.write('\x1b[?25l');
    this.#draw(scene);
    this.#timer = setInterval(() => this.#draw(scene), 250);
  }

  /** It is drawn by the clock: calm, however much happens. */
  update() {}

  stop(scene) {
    clearInterval(this.#timer);
    if (scene) this.#draw(scene);
    if (this.#drawn > 0) process.stdout.write('\x1b[?25h\n');
  }

  #draw(scene) {
    const { columns = 80, rows = 24 } = process.stdout;
    const lines = frame(scene, Math.max(3, Math.min(12, rows - 14)));
    const up = this.#drawn > 1 ? `\x1b[${this.#drawn - 1}F` : '\r';
    // Lines must not wrap, or the way back up would be wrong; what is left of a longer one before is cleared.
    process.stdout.write(up + lines.map((line) => `${cut(line, columns - 1)}\x1b[K`).join('\n'));
    this.#drawn = lines.length;
  }
}

/** For pipes and log files: a line when everybody has heard of a write. */
export class Lines {
  #printed = new Set();

  start({ url, folder }) {
    console.log(`The IPC server listens on ${url}; the database is in ${folder}.`);
  }

  update(scene) {
    for (const write of scene.ledger.latest(20)) {
      if (this.#printed.has(write) || !scene.ledger.isComplete(write)) continue;
      this.#printed.add(write);
      console.log(describeWrite(write, scene, (_name, text) => text));
    }
  }

  stop(scene) {
    if (scene) this.update(scene);
  }
}

function frame(scene, feedLength) {
  const { ledger, url, folder, startedAt, endedAt = performance.now(), seconds } = scene;
  const elapsed = Math.min((endedAt - startedAt) / 1000, seconds);
  const named = (name, text) => hues[ledger.processes.findIndex((it) => it.name === name)](text);
  const table = ledger.processes.map(({ name, wrote, heard }) =>
    [
      `  ${named(name, '●')} ${named(name, name.padEnd(10))}`,
      dim((name === 'master' ? 'master' : 'worker').padEnd(10)),
      String(wrote).padStart(6),
      String(heard).padStart(20),
    ].join(''),
  );
  const feed = ledger.latest(feedLength).map((write) => `  ${describeWrite(write, scene, named)}`);
  while (feed.length < feedLength) feed.push('');
  const done = Math.round((30 * elapsed) / seconds);
  return [
    '',
    `  ${bold('acebase-ipc-server')}  ${dim('one database, three processes, kept in step')}`,
    '',
    `  ${dim('server')}    ${url}`,
    `  ${dim('database')}  ${folder}`,
    '',
    dim('    process     role       wrote   heard from others'),
    ...table,
    '',
    `  ${bold('Who wrote what, and who heard of it when')}`,
    ...feed,
    '',
    `  ${'━'.repeat(done)}${dim('─'.repeat(30 - done))}  ${clock(elapsed)} of ${clock(seconds)}  ${dim('Ctrl-C ends it')}`,
  ];
}

function describeWrite(write, { ledger, startedAt }, named) {
  const when = (write.at - performance.timeOrigin - startedAt) / 1000;
  const others = ledger.processes.filter(({ name }) => name !== write.writer);
  const heard = others.map(({ name }) => {
    const event = write.heardBy.find((it) => it.listener === name);
    return event ? `${named(name, name)} ${Math.round(event.delay)} ms` : dim(`${name} …`);
  });
  const path = write.path.replace('shop/', '');
  return `${dim(clock(when))}  ${named(write.writer, write.writer.padEnd(6))} ${path.padEnd(17)} ${write.text.padEnd(26)} ${dim('→')} ${heard.join(dim(' · '))}`;
}

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

/** Cuts to a width, without counting or cutting colours. */
function cut(line, width) {
  let seen = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours start with the escape character
  const parts = line.split(/(\x1b\[\d*m)/);
  return parts
    .map((part) => {
      if (part.startsWith('\x1b')) return part;
      const kept = part.slice(0, Math.max(0, width - seen));
      seen += part.length;
      return kept;
    })
    .join('');
}
