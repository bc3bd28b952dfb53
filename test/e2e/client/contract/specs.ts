import { isInFull } from '../../../support/in-full.js';

/**
 * What AceBase promises its users, as pieces of program with what they come to. `one` and `two` are two processes of a
 * cluster, or the same one; each piece returns what it saw.
 */
export interface Spec {
  readonly name: string;
  /** Done in turn: by whom, and what. The results are compared between the settings, and with `expected`. */
  readonly steps: readonly { readonly by: 'one' | 'two'; readonly code: string }[];
  /** What the last step comes to. */
  readonly expected: unknown;
}

const one = (code: string) => ({ by: 'one' as const, code });
const two = (code: string) => ({ by: 'two' as const, code });

const date = (n: number) => `new Date(${1_600_000_000_000 + n * 1_000})`;

/** Records events of one kind at a path into `bag.<name>`, and resolves when others know of it. */
const listen = (name: string, path: string, event: string) => `
  bag.${name} = [];
  db.ref('${path}').on('${event}', { newOnly: true }).subscribe((snap) => {
    const value = '${event}'.startsWith('notify') ? undefined : '${event}' === 'mutations' ? snap.val().length : snap.val();
    bag.${name}.push([(snap.ref ?? snap).path, value]);
  });
  await pause(150);`;

/** Waits until so many have come, and then a moment for those that must not. */
const heard = (name: string, count: number) => `
  for (let turn = 0; turn < 1000 && bag.${name}.length < ${count}; turn++) await pause(10);
  await pause(100);
  return bag.${name};`;

function events(event: string, came: readonly (readonly [path: string, value: unknown])[]): Spec {
  const path = `ev/${event}`;
  const expected = came.map(([below, value]) => [below === '' ? path : `${path}/${below}`, value]);
  return {
    name: `event ${event}`,
    steps: [
      one(`await db.ref('${path}').set({ n: 1, gone: { x: 1 } });`),
      two(listen('heard', path, event)),
      one(`await db.ref('${path}').update({ n: 2, added: { at: ${date(1)} }, gone: null });`),
      two(heard('heard', expected.length)),
    ],
    expected,
  };
}

const at1 = new Date(1_600_000_001_000);

/** AceBase gives a place twice that two of its cells hold. */
const IS_FIRST = 'const isFirst = (key, place, keys) => keys.indexOf(key) === place;';

function index(name: string, options: string, query: string, expected: readonly string[]): Spec {
  const path = `docs_${name.replaceAll(' ', '_')}`;
  return {
    name: `index: ${name}`,
    steps: [
      one(`
        await db.ref('${path}').set({
          a: { n: 1, text: 'The quick brown fox', tags: ['red', 'blue'], at: ${date(1)}, big: 10n ** 20n, place: { lat: 52.37, long: 4.9 } },
          b: { n: 2, text: 'jumps over a lazy dog', tags: ['blue'], at: ${date(2)}, big: 2n, place: { lat: 48.85, long: 2.35 } },
        });`),
      one(`await db.indexes.create('${path}', ${options});`),
      two(`
        await db.ref('${path}/c').set({ n: 3, text: 'a quick brown dog', tags: ['green', 'blue'], at: ${date(3)}, big: 10n ** 21n, place: { lat: 52.38, long: 4.91 } });
        await db.ref('${path}/b').update({ n: 20 });
        await db.ref('${path}/d').set({ n: 4, text: 'nothing', tags: [], at: ${date(4)}, big: 4n, place: { lat: 0, long: 0 } });
        await db.ref('${path}/d').remove();`),
      one(
        `${IS_FIRST} return (await db.query('${path}').${query}.get()).map((snap) => snap.key).sort().filter(isFirst);`,
      ),
      two(
        `${IS_FIRST} return (await db.query('${path}').${query}.get()).map((snap) => snap.key).sort().filter(isFirst);`,
      ),
    ],
    expected,
  };
}

/** Nearly the same as others: `npm run test:nightly` has them. */
const inFull = (...variants: readonly Spec[]): readonly Spec[] => (isInFull ? variants : []);

const RECORDS = isInFull ? 300 : 100;

/** All of them. */
export const specs: readonly Spec[] = [
  {
    name: 'sets, updates and removes, with all kinds of values',
    steps: [
      one(
        `await db.ref('v').set({ date: ${date(1)}, big: 2n ** 70n, yes: true, list: [1, 'two', { three: 3 }], text: 'ü⚡' });`,
      ),
      two(`await db.ref('v').update({ yes: false, more: { deep: { er: 1.5 } }, list: null });`),
      one(`await db.ref('v/more/deep/er').remove();`),
      two(`await db.ref('bytes').set({ data: new Uint8Array([1, 2, 250]).buffer });`),
      one(
        `return { v: (await db.ref('v').get()).val(), bytes: [...new Uint8Array((await db.ref('bytes/data').get()).val())] };`,
      ),
    ],
    expected: {
      v: { date: at1, big: 2n ** 70n, yes: false, text: 'ü⚡', more: { deep: {} } },
      bytes: [1, 2, 250],
    },
  },
  {
    name: 'transactions of both do not lose each other’s changes',
    steps: [
      one(
        `await db.ref('count').set(0); bag.done = Promise.all(Array.from({ length: 15 }, () => db.ref('count').transaction((s) => s.val() + 1)));`,
      ),
      two(
        `await Promise.all(Array.from({ length: 15 }, () => db.ref('count').transaction((s) => s.val() + 1)));`,
      ),
      one(`await bag.done; return (await db.ref('count').get()).val();`),
    ],
    expected: 30,
  },
  events('value', [['', { n: 2, added: { at: at1 } }]]),
  events('child_added', [['added', { at: at1 }]]),
  events('child_changed', [['n', 2]]),
  events('child_removed', [['gone', { x: 1 }]]),
  events('mutations', [['', 3]]),
  events('notify_value', [['', undefined]]),
  events('notify_child_added', [['added', undefined]]),
  ...inFull(
    events('notify_child_changed', [['n', undefined]]),
    events('notify_child_removed', [['gone', undefined]]),
  ),
  {
    name: 'contexts reach the subscriber, dates included',
    steps: [
      two(`
        bag.context = new Promise((resolve) => db.ref('ctx').on('value', { newOnly: true }).subscribe((snap) => resolve(snap.context())));
        await pause(150);`),
      one(`await db.ref('ctx').context({ by: 'one', at: ${date(1)}, big: 5n }).set({ n: 1 });`),
      two(`const { by, at, big } = await bag.context; return { by, at, big };`),
    ],
    expected: { by: 'one', at: at1, big: 5n },
  },
  ...inFull(index('numbers', `'n'`, `filter('n', '>', 2)`, ['b', 'c'])),
  index('dates', `'at'`, `filter('at', '>=', ${date(2)})`, ['b', 'c']),
  index('BigInts', `'big'`, `filter('big', '>', 5n)`, ['a', 'c']),
  index('with an included key', `'n', { include: ['text'] }`, `filter('n', '>=', 3)`, ['b', 'c']),
  index('full text', `'text', { type: 'fulltext' }`, `filter('text', 'fulltext:contains', 'quick brown')`, [
    'a',
    'c',
  ]),
  index('arrays', `'tags', { type: 'array' }`, `filter('tags', 'contains', 'blue')`, ['a', 'b', 'c']),
  index(
    'places',
    `'place', { type: 'geo' }`,
    `filter('place', 'geo:nearby', { lat: 52.37, long: 4.9, radius: 5000 })`,
    ['a', 'c'],
  ),
  {
    name: 'queries without an index: filters, order, limits, and removal',
    steps: [
      one(
        `await db.ref('q').set(Object.fromEntries(Array.from({ length: 20 }, (_, n) => ['k' + n, { n, odd: n % 2 === 1 }])));`,
      ),
      two(`await db.query('q').filter('n', '<', 5).remove();`),
      one(
        `return (await db.query('q').filter('odd', '==', true).sort('n', false).take(3).get()).map((s) => s.val().n);`,
      ),
    ],
    expected: [19, 17, 15],
  },
  {
    name: 'schemas are enforced where they are set',
    steps: [
      one(`await db.schema.set('sc/$id', { name: 'string', age: 'number' });`),
      one(
        `bag.refused = await db.ref('sc/a').set({ name: 1, age: 'x' }).then(() => 'taken', () => 'refused');`,
      ),
      one(`await db.ref('sc/b').set({ name: 'Ann', age: 3 });`),
      two(`bag.seen = (await db.ref('sc').get()).val(); return bag.seen;`),
      one(`return [bag.refused, (await db.ref('sc').get()).val()];`),
    ],
    expected: ['refused', { b: { name: 'Ann', age: 3 } }],
  },
  {
    name: 'export and import',
    steps: [
      one(`await db.ref('ex').set({ date: ${date(1)}, list: [1, 2], deep: { text: 'x' } });`),
      two(
        `let json = ''; await db.ref('ex').export((text) => { json += text; }); bag.json = json; await db.ref('im').import((length) => { const part = json.slice(0, length); json = json.slice(length); return part; });`,
      ),
      one(`return (await db.ref('im').get()).val();`),
    ],
    expected: { date: at1, list: [1, 2], deep: { text: 'x' } },
  },
  {
    name: `a bulk load of ${RECORDS} records, and a change of it`,
    steps: [
      one(
        `await db.ref('bulk').update(Object.fromEntries(Array.from({ length: ${RECORDS} }, (_, n) => ['r' + n, { n, text: 'record ' + n }])));`,
      ),
      two(
        `await db.ref('bulk').update(Object.fromEntries(Array.from({ length: ${RECORDS} }, (_, n) => ['r' + n, { n: n * 2, text: 'changed' }])));`,
      ),
      two(`await Promise.all(Array.from({ length: 30 }, (_, n) => db.ref('bulk/s' + n).set({ n })));`),
      one(
        `let sum = 0; let count = 0; await db.ref('bulk').forEach((s) => { sum += s.val().n; count++; }); return [count, sum];`,
      ),
    ],
    expected: [RECORDS + 30, (RECORDS - 1) * RECORDS + (29 * 30) / 2],
  },
  {
    name: 'a second database in the same processes',
    steps: [
      // The master makes the file.
      two(`bag.other = bag.open('other'); await bag.other.ready();`),
      one(
        `bag.other ??= bag.open('other'); await bag.other.ready(); await bag.other.ref('x').set({ at: ${date(1)} });`,
      ),
      two(`await bag.other.ref('y').set(2); return (await bag.other.ref('x').get()).val();`),
      one(
        `const seen = [(await bag.other.ref('y').get()).val(), (await db.ref('y').get()).exists()]; await bag.other.close(); return seen;`,
      ),
    ],
    expected: [2, false],
  },
  {
    name: 'the transaction log, and what is new in it',
    steps: [
      // The master makes the file.
      two(`bag.logged = bag.open('logged', true); await bag.logged.ready();`),
      one(`
        bag.logged ??= bag.open('logged', true);
        await bag.logged.ready();
        await bag.logged.ref('log/a').set({ n: 1 });`),
      two(`await bag.logged.ref('log/a/n').set(2); await bag.logged.ref('log/b').set({ at: ${date(1)} });`),
      one(`
        const { api } = bag.logged;
        const { mutations } = await api.getMutations({ path: '', timestamp: 0 });
        const ours = mutations.filter((it) => it.path.startsWith('log'));
        const { changes } = await api.getChanges({ path: '', timestamp: 0 });
        return [ours.map((it) => it.path), changes.some((it) => it.path.startsWith('log'))];`),
    ],
    expected: [['log/a', 'log/a/n', 'log/b'], true],
  },
];
