import { cp } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { itInFull } from '../../support/in-full.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { NormalForm } from './normal-form.js';
import { ModelSubject, RealSubject, type Role, type Subject } from './subject.js';

/**
 * The simulation is worth as much as its model of AceBase. So one script is played to the model and to a real process, and
 * both must say the same.
 */

let folder: string | undefined;
/** The folder of a file that each real process gets a copy of. */
let prepared: string;
const subjects: Subject[] = [];

beforeAll(async () => {
  prepared = await temporaryDirectory('prepared');
  await RealSubject.makeFile(prepared);
});
afterAll(() => removeDirectory(prepared));
afterEach(async () => {
  await Promise.all(subjects.splice(0).map((subject) => subject.end()));
  if (folder !== undefined) await removeDirectory(folder);
  folder = undefined;
});

type Pair = [real: Subject, model: Subject];

async function start(role: Role, inFolder: string): Promise<Pair> {
  await cp(prepared, inFolder, { recursive: true });
  return [await RealSubject.start(role, inFolder), new ModelSubject(role)];
}

/** A pair of this test's own. */
async function both(role: Role): Promise<Pair> {
  folder = await temporaryDirectory('model');
  const pair = await start(role, folder);
  subjects.push(...pair);
  return pair;
}

/** A frame to be said, and how many it is answered with. */
type Step = readonly [frame: string, answers: number];

const frame = (message: object) => JSON.stringify(message);
const MARK = frame({ type: 'hello', from: 'marker' });

/** Plays a script, and gives what was said to each step. */
async function play(subject: Subject, steps: readonly Step[]): Promise<unknown[]> {
  const normal = new NormalForm(subject.ids()[0] ?? '');
  const transcript: unknown[] = [];
  for (const [said, answers] of steps) {
    subject.say(said);
    const heard: unknown[] = [];
    for (let count = 0; count < answers; count++) {
      const answer = await subject.next();
      if (answer === undefined) throw new Error(`The process says no more after ${said}`);
      heard.push(normal.of(answer));
    }
    // Nothing more comes: the answer to a greeting would be behind it.
    subject.say(MARK);
    const mark = normal.of((await subject.next()) ?? '{}');
    transcript.push({ said, heard, mark });
  }
  return transcript;
}

async function expectTheSame([real, model]: Pair, steps: readonly Step[]): Promise<void> {
  const expected = await play(real, steps);
  expect(await play(model, steps)).toEqual(expected);
}

const lock = (id: string, tid: string, write: boolean, from = 'peerA'): string =>
  frame({ type: 'lock-request', from, to: '[master]', id, data: { path: 'a/b', tid, write, comment: 'c' } });
const unlock = (id: string, lockId: number): string =>
  frame({ type: 'unlock-request', from: 'peerA', to: '[master]', id, data: { id: lockId } });
const move = (id: string, lockId: number): string =>
  frame({
    type: 'move-lock-request',
    from: 'peerA',
    to: '[master]',
    id,
    data: { id: lockId, move_to: 'parent' },
  });
const request = (id: string, data: object): string =>
  frame({ type: 'request', from: 'peerA', to: '[master]', id, data });
const notification = (data: object): string => frame({ type: 'notification', from: 'peerA', data });
const root = (recordNr: number | string): string =>
  notification({ type: 'root.update', address: { path: '', pageNr: 0, recordNr } });

describe('a modelled master does what a real one does', () => {
  /** For all scripts that it outlives. What one leaves behind is the same in both; only one of them takes locks. */
  let masters: Pair;
  let own: string;

  beforeAll(async () => {
    own = await temporaryDirectory('masters');
    masters = await start('master', own);
  });
  afterAll(async () => {
    await Promise.all((masters ?? []).map((subject) => subject.end()));
    await removeDirectory(own);
  });

  it('with locks', async () => {
    await expectTheSame(masters, [
      [lock('1', 't1', true), 1],
      [lock('2', 't2', false, 'peerB'), 0],
      [lock('3', 't1', false), 1],
      [move('4', 1), 1],
      [lock('5', 't3', true, 'peerC'), 0],
      [lock('6', 't4', false, 'peerD'), 0],
      [unlock('7', 3), 1],
      // Both reads are granted, and the write between them is not.
      [unlock('8', 1), 3],
      [unlock('9', 2), 1],
      [unlock('10', 5), 2],
      [unlock('11', 4), 1],
      [unlock('12', 4), 1],
      [move('13', 99), 1],
    ]);
  });

  it('with keys', async () => {
    await expectTheSame(masters, [
      [request('1', { type: 'kit.add', key: 'some key' }), 2],
      [request('2', { type: 'kit.add', key: 'some key' }), 1],
      [request('3', { type: 'kit.add', key: 'another' }), 2],
      [notification({ type: 'kit.new_key', key: 'told', index: 2 }), 0],
      [request('4', { type: 'kit.add', key: 'told' }), 1],
      [request('5', { type: 'kit.add', key: 'much longer than they may be' }), 1],
      [request('6', { type: 'kit.add', key: 'x' }), 1],
    ]);
  });

  it('with space', async () => {
    const ranges = (record: number) => [{ pageNr: 0, recordNr: record, length: 1 }];
    const [real, model] = masters;
    const first = async (subject: Subject) => {
      subject.say(request('0', { type: 'fst.allocate', records: 1 }));
      const answer = JSON.parse(((await subject.next()) ?? '').replace(/^to:peerA;/, ''));
      return answer.data.allocation[0].recordNr as number;
    };
    const script = (record: number): Step[] => [
      [request('1', { type: 'fst.allocate', records: 1 }), 1],
      [request('2', { type: 'fst.release', ranges: ranges(record) }), 1],
      [request('3', { type: 'fst.allocate', records: 1 }), 1],
      [request('4', { type: 'fst.allocate', records: 1 }), 1],
    ];
    const withoutQuestions = (transcript: unknown[]) =>
      transcript.map((it) => (it as { heard: unknown }).heard);
    const expected = withoutQuestions(await play(real, script(await first(real))));
    expect(withoutQuestions(await play(model, script(await first(model))))).toEqual(expected);
  });

  it('with roots, also in quotes, and with those who come and go', async () => {
    await expectTheSame(masters, [
      [root(5), 1],
      [root(5), 0],
      [root('5'), 1],
      [root(5), 1],
      [root(6), 1],
      ['connect:peerA', 0],
      [frame({ type: 'hello', from: 'peerA', to: '[master]' }), 0],
      [frame({ type: 'hello', from: 'peerA' }), 1],
      ['disconnect:peerA', 1],
      ['disconnect:peerA', 0],
      [frame({ type: 'bye', from: 'peerX' }), 0],
      [notification({ type: 'cache.invalidate', path: '', recursive: true, reason: 'r' }), 0],
    ]);
  });

  itInFull('when it gets an answer: it ends', async () => {
    for (const subject of await both('master')) {
      subject.say(frame({ type: 'lock-result', from: 'peerA', to: '[master]', id: 'x', ok: true, data: {} }));
      await subject.ended();
    }
  });
});

describe('a modelled worker does what a real one does', () => {
  itInFull('with roots, and those who come and go', async () => {
    await expectTheSame(await both('worker'), [
      [root(5), 1],
      [root(5), 0],
      ['disconnect:peerA', 0],
      [frame({ type: 'hello', from: 'peerA', to: 'somebody else' }), 1],
      ['disconnect:peerA', 1],
    ]);
  });

  it('when it is greeted: it greets, and says what it wants to hear', async () => {
    const [real, model] = await both('worker');
    await (real as RealSubject).process.subscribe('', 'value');
    expect(JSON.parse((await real.next()) ?? '')).toMatchObject({ type: 'subscribe' });
    (model as ModelSubject).worker.subscriptions.add('value ');
    const answers = async (subject: Subject) => {
      subject.say(MARK);
      const normal = new NormalForm(subject.ids()[0] ?? '');
      return [normal.of((await subject.next()) ?? ''), normal.of((await subject.next()) ?? '')];
    };
    expect(await answers(model)).toEqual(await answers(real));
  });

  itInFull(
    'when it gets an answer that it does not await, or is asked as if it were the master: it ends',
    async () => {
      const mortal = [
        frame({ type: 'result', from: '[master]', id: 'unknown', ok: true, data: {} }),
        frame({ type: 'unlock-result', from: '[master]', id: 'unknown', ok: true, data: {} }),
        lock('1', 't1', true),
      ];
      for (const said of mortal) {
        for (const subject of await both('worker')) {
          subject.say(said);
          await subject.ended();
        }
        await Promise.all(subjects.splice(0).map((subject) => subject.end()));
        if (folder !== undefined) await removeDirectory(folder);
      }
    },
  );

  it('when its line breaks: it comes again under its id, and ends if it is refused', async () => {
    for (const subject of await both('worker')) {
      await subject.reconnect();
      const ids = subject.ids();
      expect(ids).toHaveLength(2);
      expect(new Set(ids).size).toBe(1);
      subject.closeAndRefuse();
      await subject.ended();
    }
  });
});
