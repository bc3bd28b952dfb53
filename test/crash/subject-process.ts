import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { WatchedProcess } from '../support/child-process.js';
import { QUICK_START } from '../support/quick-start.js';
import { type Step, stepsIn } from './trace.js';

const PROGRAM = fileURLToPath(new URL('subject.js', import.meta.url));

/** A process that does the workload. */
export class Subject extends WatchedProcess {
  #said = '';

  /** @param order what `subject.js` is given */
  constructor(order: object) {
    super('the workload', start(order));
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
    });
  }

  /** What it has said that it did; it says nothing if it writes a trace. */
  get steps(): readonly Step[] {
    return stepsIn(this.#said);
  }
}

function start(order: object): ChildProcess {
  return spawn(process.execPath, [...QUICK_START, PROGRAM, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Then files are changed in the order in which that is asked for.
    env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
  });
}

/** Has a process do the workload, and write its trace. @throws Error if it ends with an error */
export async function record(order: object): Promise<void> {
  const subject = new Subject(order);
  const { code } = await subject.exited;
  if (code !== 0) throw new Error(subject.describe());
}
