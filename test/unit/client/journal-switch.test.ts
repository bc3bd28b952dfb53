import { expect, it, vi } from 'vitest';
import { clientLab } from '../../support/client-lab.js';

const fromServer = (type: string, data?: object): string => JSON.stringify({ type, from: '[server]', data });
const lab = (found = false, isMaster = false, isPending = false) => {
  const look = vi.fn((): boolean => found);
  const empty = vi.fn(async (): Promise<boolean> => found);
  return { look, empty, ...clientLab({ isMaster, journal: { isPending, look, empty } }) };
};
const can = (parameters: Readonly<Record<string, string>>): readonly string[] =>
  String(parameters['can']).split(',');

it('says that it keeps a journal, and whether that is in force when it comes back', () => {
  const { last, welcome, breaks, clock, client } = lab();
  expect([can(last().parameters).includes('journal'), last().parameters['journal']]).toEqual([
    true,
    undefined,
  ]);
  welcome(false, 1);
  expect(client.journal.isInForce).toBe(false);
  last().events.text(fromServer('journal', { on: true }));
  expect(client.journal.isInForce).toBe(true);
  breaks();
  clock.advance(100);
  expect(last().parameters['journal']).toBe('on');
  expect(can(clientLab().last().parameters)).not.toContain('journal');
});

it.each([
  [true, true],
  [false, false],
  // A server that does not know yet who is there; one that knows of no journals lets everybody in.
  [null, true],
  [undefined, false],
] as const)(
  'where the next welcome says %s of a journal in force, it is in force: %s',
  (journal, isInForce) => {
    const session: { journal?: boolean | null } = { journal: true };
    const { welcome, breaks, clock, client } = clientLab({
      session: session as object,
      journal: { isPending: false, look: () => false },
    });
    welcome(false, 1);
    expect(client.journal.isInForce).toBe(true);
    breaks();
    clock.advance(100);
    if (journal === undefined) delete session.journal;
    else session.journal = journal;
    welcome(false, 2);
    expect(client.journal.isInForce).toBe(isInForce);
  },
);

it('looks at the journal under each lock before that is used, whether it is in force or not', async () => {
  const { look, last, welcome, client, settle, grantOf } = lab();
  welcome(false, 1);
  client.fileOpened();
  await settle();
  for (const on of [false, true]) {
    last().events.text(fromServer('journal', { on }));
    look.mockClear();
    const lock = client.lock({ path: 'accounts', tid: `t${String(on)}`, write: true });
    await settle();
    last().events.text(grantOf(120_000));
    await lock;
    expect(look).toHaveBeenCalledOnce();
    await (await lock).release();
    await settle();
  }
});

it('one that keeps none looks all the same, once at each server: those that keep one may have been killed', async () => {
  const look = vi.fn((): boolean => false);
  const { last, welcome, client, settle, grantOf } = clientLab({
    journal: { isKept: false, isPending: false, look },
  });
  expect(can(last().parameters)).not.toContain('journal');
  welcome(false, 1);
  client.fileOpened();
  await settle();
  for (const tid of ['t1', 't2']) {
    const lock = client.lock({ path: 'accounts', tid, write: true });
    await settle();
    last().events.text(grantOf(120_000));
    await (await lock).release();
    await settle();
  }
  expect([look.mock.calls.length, client.journal.isInForce]).toEqual([1, false]);
});

it('as a worker, empties it at once when the server asks for it, and says so', async () => {
  const { empty, last, welcome, client, settle } = lab();
  welcome(false, 1);
  client.fileOpened();
  await settle();
  last().events.text(fromServer('journal', { on: false, look: true }));
  await settle();
  expect([empty.mock.calls.length, client.journal.isInForce]).toEqual([1, false]);
  expect(last().sent.at(-1)).toBe('looked');
});

it.each([
  ['worker', false],
  ['master', true],
])('as a %s, goes by the root that the file has then, and tells it before', async (_role, isMaster) => {
  const { empty, last, welcome, client, settle, asked, answerPings, header } = lab(false, isMaster);
  welcome(false, 1);
  client.fileOpened();
  await settle();
  answerPings();
  empty.mockImplementation(async () => {
    header.root = { path: '', pageNr: 0, recordNr: 9 };
    return true;
  });
  last().events.text(fromServer('journal', { on: false, look: true }));
  await settle();
  asked[0]?.grant();
  await settle();
  expect(last().sent.slice(-2)).toEqual([expect.stringContaining('"recordNr":9'), 'looked']);
  expect(header.believed).toEqual(header.root);
});

it('as a master, looks and empties it under a lock of its own', async () => {
  const { look, empty, last, welcome, client, settle, asked, answerPings } = lab(false, true);
  welcome(false, 1);
  client.fileOpened();
  await settle();
  answerPings();
  last().events.text(fromServer('journal', { on: false, look: true }));
  await settle();
  expect([look.mock.calls.length, empty.mock.calls.length, asked.length]).toEqual([0, 0, 1]);
  asked[0]?.grant();
  await settle();
  expect([look.mock.calls.length, empty.mock.calls.length, last().sent.at(-1)]).toEqual([1, 1, 'looked']);
});

it('does not say that it has looked where that fails', async () => {
  const { empty, last, welcome, client, settle } = lab();
  welcome(false, 1);
  client.fileOpened();
  await settle();
  empty.mockRejectedValue(new Error('no such disk'));
  last().events.text(fromServer('journal', { on: false, look: true }));
  await settle();
  expect(last().sent).not.toContain('looked');
});

it('reads again what it knows of the file when a writer is gone', async () => {
  const { last, welcome, client, settle, grantOf, reading } = lab();
  welcome(false, 1);
  client.fileOpened();
  let reads = 0;
  const lockOnce = async (tid: string): Promise<void> => {
    const lock = client.lock({ path: 'accounts', tid, write: true });
    await settle();
    last().events.text(grantOf(120_000));
    await (await lock).release();
    await settle();
  };
  await lockOnce('t1');
  const count = (): undefined => {
    reads += 1;
  };
  Object.defineProperty(reading, 'until', { get: count });
  await lockOnce('t2');
  expect(reads).toBe(0);
  last().events.text(fromServer('reread'));
  await lockOnce('t3');
  expect(reads).toBe(1);
});

it('says nothing of the root where something may have been cut short, nor to a new server while the journal is in force', () => {
  const pending = lab(false, true, true);
  pending.welcome(false, 1);
  pending.client.fileOpened();
  expect(pending.last().sent).toContain('ready');
  const sound = lab(false, true);
  sound.welcome(false, 1);
  sound.client.fileOpened();
  expect(sound.last().sent).toContain('ready:{"pageNr":0,"recordNr":7}');
});
