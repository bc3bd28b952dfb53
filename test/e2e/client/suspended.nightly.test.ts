/** A process of a cluster is stopped in the midst of something, for less and for longer than anything waits, and the server restarted meanwhile. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { AceBaseProcess } from '../../support/acebase-process.js';
import { Cluster } from '../../support/cluster.js';

/** Its lease is 2.9 s, and it is silent after 1.8 s. */
const GRACE_MS = 4_000;
/** Within all of that; silent, and its lease lasts; without a lease, and waited for; given up, just so and for long. */
const STOPPED_FOR_MS = [500, 2_400, 3_400, 4_800, 15_000];
const MAY_FAIL_WITH = /IPC_CLIENT_LEASE_LOST|was lost with the connection/;

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
  cluster = undefined;
});

/** Writes one number after the other, until it is told to end. */
class Writer {
  readonly #database: AceBaseProcess;
  readonly #key: string;
  readonly acknowledged: Record<string, number> = {};
  readonly failures: string[] = [];
  #isToEnd = false;
  readonly #ended: Promise<void>;
  #isOnItsWay: () => void = () => undefined;
  /** Resolves with its first write. */
  readonly isUnderWay = new Promise<void>((resolve) => {
    this.#isOnItsWay = resolve;
  });

  constructor(database: AceBaseProcess, key: string) {
    this.#database = database;
    this.#key = key;
    this.#ended = this.#write();
  }

  async end(): Promise<void> {
    this.#isToEnd = true;
    await this.#ended;
  }

  async #write(): Promise<void> {
    for (let n = 0; !this.#isToEnd; n++) {
      try {
        await this.#database.set(`accounts/${this.#key}${n}`, n);
        this.acknowledged[`${this.#key}${n}`] = n;
        this.#isOnItsWay();
      } catch (error) {
        this.failures.push((error as Error).message);
      }
    }
  }
}

/** What it is in the midst of. @returns what is to be there afterwards, and what failed */
type Work = (database: AceBaseProcess) => Promise<() => Promise<{ there: object; failures: string[] }>>;

const longTransaction: Work = async (database) => {
  await database.hold('accounts/ann');
  return async () => {
    const failures: string[] = [];
    await database.letGo(2).catch((error: Error) => failures.push(error.message));
    return { there: failures.length === 0 ? { ann: 2 } : { ann: 1 }, failures };
  };
};

const manyWrites: Work = async (database) => {
  const writer = new Writer(database, 'its');
  await writer.isUnderWay;
  return async () => {
    await writer.end();
    return { there: writer.acknowledged, failures: writer.failures };
  };
};

describe.each<['worker' | 'master', string, Work]>([
  ['worker', 'a long transaction', longTransaction],
  ['worker', 'many small writes', manyWrites],
  ['master', 'many small writes', manyWrites],
])('a %s that is stopped in the midst of %s', (role, _, begin) => {
  it.each(
    STOPPED_FOR_MS.flatMap((milliseconds) => [
      [milliseconds, 'lives on'] as const,
      [milliseconds, 'is restarted'] as const,
    ]),
  )('for %d ms, while the server %s: nothing that was acknowledged is lost', async (milliseconds, server) => {
    const it = await Cluster.startProcess({ options: { reconnectGrace: GRACE_MS } });
    cluster = it;
    const [master, worker, other] = await it.form(2, { client: true });
    const stopped = role === 'master' ? master : worker;
    await master.set('accounts', { ann: 1 });
    const end = await begin(stopped);
    process.kill(stopped.pid, 'SIGSTOP');
    const others = new Writer(other, 'others');
    if (server === 'is restarted') await it.restartServer();
    await delay(milliseconds);
    process.kill(stopped.pid, 'SIGCONT');
    const { there, failures } = await end();
    await others.end();
    expect(others.failures).toEqual([]);
    expect(failures.filter((message) => !MAY_FAIL_WITH.test(message))).toEqual([]);
    await stopped.set('accounts/last', 3);
    const all = { ann: 1, ...others.acknowledged, ...there, last: 3 };
    for (const each of [master, worker, other]) expect(await each.get('accounts')).toMatchObject(all);
    for (const each of [worker, other, master]) await each.closeAndEnd();
    await it.reopened(async (file) => expect(await file.get('accounts')).toMatchObject(all));
  });
});
