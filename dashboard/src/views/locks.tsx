import type { DatabaseStatus, HeldLock, WaitingLock } from '../status.js';
import { count, latency, timeOfDay } from '../words.js';
import { Table } from './table.js';

/** A wait that somebody should look at, in milliseconds. */
export const LONG_WAIT_MS = 5_000;

const COLUMNS = [
  { label: 'Worker', class: 'wide' },
  { label: 'Path', class: 'path' },
  { label: 'To', class: 'mode' },
  { label: 'For what', class: 'comment' },
  { label: 'How long', isNumber: true },
];

interface Row {
  readonly key: string;
  readonly state: 'waits' | HeldLock['state'];
  readonly worker: string;
  readonly lock: HeldLock | WaitingLock;
  readonly time: number;
}

/** Who holds what for how long, who waits, and what was recovered. */
export function Locks({ database, now }: { readonly database: DatabaseStatus; readonly now: number }) {
  const { held, waiting, heldCount, waitingCount } = database.locks;
  const recovered = database.timeline
    .filter(({ kind }) => kind === 'recovered')
    .slice(-3)
    .reverse();
  return (
    <section class="locks" aria-labelledby="locks-title">
      <h3 id="locks-title">
        Locks{' '}
        <span class="amount">
          {count(heldCount)} held, {count(waitingCount)} waiting
        </span>
      </h3>
      <Table
        caption={`Locks of ${database.name}: held ones, then requests that wait`}
        columns={COLUMNS}
        rows={rowsOf(held, waiting)}
        total={heldCount + waitingCount}
        keyOf={({ key }) => key}
        classOf={({ state, time }) =>
          state === 'held' || (state === 'waits' && time < LONG_WAIT_MS) ? '' : 'odd'
        }
        cells={({ state, worker, lock, time }) => [
          <>
            <code class="id">{worker}</code>{' '}
            <span class={`tag ${state === 'held' ? '' : state === 'waits' ? 'waits' : 'odd'}`}>{state}</span>
          </>,
          <code key="path">{lock.path === '' ? '(root)' : lock.path}</code>,
          lock.write ? 'write' : 'read',
          'reason' in lock ? `${lock.comment} (waits: ${lock.reason})` : lock.comment,
          latency(time),
        ]}
        nothing="No worker holds a lock, and none waits for one."
      />
      {recovered.length > 0 && (
        <p class="quiet">
          Recovered: {recovered.map(({ at, message }) => `${timeOfDay(at, now)} ${message}`).join('; ')}
        </p>
      )}
    </section>
  );
}

function rowsOf(held: readonly HeldLock[], waiting: readonly WaitingLock[]): Row[] {
  return [
    ...held.map((lock) => ({
      key: `${lock.state} ${lock.holder} ${lock.id}`,
      state: lock.state,
      worker: lock.holder,
      lock,
      time: lock.heldFor,
    })),
    ...waiting.map((lock) => ({
      key: `waits ${lock.requester} ${lock.tid} ${lock.path}`,
      state: 'waits' as const,
      worker: lock.requester,
      lock,
      time: lock.waitingFor,
    })),
  ];
}
