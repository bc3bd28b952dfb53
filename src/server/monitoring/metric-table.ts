/** Every metric of our own, once: docs/METRICS.md is held equal to this table by a test. */

import type { Incident } from '../../broker/ports.js';
import { ERRORS } from '../../errors.js';
import type { ManagedMasterReport } from '../../managed-masters/managed-master.js';
import { type DatabaseCounters, type DurationTally, FRAME_KINDS, type FrameTally } from './counters.js';
import { INCIDENTS } from './incidents.js';
import type { DatabaseSummary } from './report.js';

/** All figures at one moment. */
export interface Figures {
  readonly version: string;
  readonly isReady: boolean;
  readonly connections: number;
  /** Of databases that have peers. */
  readonly summaries: readonly DatabaseSummary[];
  /** Since the start, by the names under which databases are measured. */
  readonly totals: ReadonlyMap<string, DatabaseCounters>;
  readonly incidents: ReadonlyMap<Incident, number>;
  /** The masters that the server runs itself. */
  readonly masters: readonly ManagedMasterReport[];
  /** By error code. */
  readonly refusals: ReadonlyMap<string, number>;
}

/** The labels of one sample. */
export type Labels = Readonly<Record<string, string>>;

/** One metric. */
export type MetricDefinition = {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
} & (
  | { readonly type: 'gauge' | 'counter'; read(figures: Figures): Iterable<readonly [Labels, number]> }
  | { readonly type: 'histogram'; read(figures: Figures): Iterable<readonly [Labels, DurationTally]> }
);

/** Incidents that each are a message that was not delivered; all others are counted as incidents. */
const DROPS: ReadonlySet<Incident> = new Set<Incident>([
  'malformed-frame',
  'foreign-from',
  'undeliverable',
  'root-echo',
  'mailbox-full',
  'orphaned-request',
  'unasked-answer',
  'parking-expired',
]);

/** The codes of refusals. */
const REFUSALS = Object.entries(ERRORS)
  .filter(([, error]) => 'status' in error)
  .map(([code]) => code);

const MS_PER_SECOND = 1_000;

const ROLES = ['master', 'worker'] as const;
const PEER_STATES = ['connected', 'settling', 'away'] as const;
const LOCK_STATES = ['held', 'expired'] as const;

/** A figure of each database; those that are measured together are joined. */
function perDatabase(
  of: (summary: DatabaseSummary) => number,
  join: (one: number, other: number) => number = (one, other) => one + other,
): (figures: Figures) => [Labels, number][] {
  return ({ summaries }) => {
    const values = new Map<string, number>();
    for (const summary of summaries) {
      const before = values.get(summary.label);
      values.set(summary.label, before === undefined ? of(summary) : join(before, of(summary)));
    }
    return [...values].map(([database, value]) => [{ database }, value]);
  };
}

/** {@link perDatabase}, for several figures that a label tells apart. */
function perDatabaseAnd<T>(
  cases: readonly (readonly [Labels, T])[],
  of: (summary: DatabaseSummary, which: T) => number,
): (figures: Figures) => [Labels, number][] {
  return (figures) =>
    cases.flatMap(([labels, which]) =>
      perDatabase((summary) => of(summary, which))(figures).map(([database, value]): [Labels, number] => [
        { ...database, ...labels },
        value,
      ]),
    );
}

function total(of: (counters: DatabaseCounters) => number): (figures: Figures) => [Labels, number][] {
  return ({ totals }) => [...totals].map(([database, counters]) => [{ database }, of(counters)]);
}

/** By kind. Kinds that never came are left out: most databases see a few of them. */
function totalByKind(of: (tally: FrameTally) => number): (figures: Figures) => [Labels, number][] {
  return ({ totals }) =>
    [...totals].flatMap(([database, { frames }]) =>
      FRAME_KINDS.filter((kind) => frames[kind].received > 0).map((kind): [Labels, number] => [
        { database, kind },
        of(frames[kind]),
      ]),
    );
}

function durations(of: (counters: DatabaseCounters) => DurationTally) {
  return ({ totals }: Figures): [Labels, DurationTally][] =>
    [...totals].map(([database, counters]) => [{ database }, of(counters)]);
}

/** A figure of each master that the server runs; those that it is not known of are left out. */
function perMaster(of: (master: ManagedMasterReport) => number | undefined) {
  return ({ masters }: Figures): [Labels, number][] =>
    masters.flatMap((master): [Labels, number][] => {
      const value = of(master);
      return value === undefined ? [] : [[{ database: `${master.database}_data` }, value]];
    });
}

/** How often each of these happened. What never happened is 0: only so can Prometheus see the first time. */
function counts<T extends string>(
  label: string,
  kinds: readonly T[],
  totals: ReadonlyMap<T, number>,
): [Labels, number][] {
  return kinds.map((kind) => [{ [label]: kind }, totals.get(kind) ?? 0]);
}

/** The table. Names follow the conventions of Prometheus: base units, `_total` for what only grows. */
export const METRICS: readonly MetricDefinition[] = [
  {
    name: 'acebase_ipc_build_info',
    type: 'gauge',
    help: 'Always 1; the label has the version of the server.',
    labels: ['version'],
    read: ({ version }) => [[{ version }, 1]],
  },
  {
    name: 'acebase_ipc_ready',
    type: 'gauge',
    help: '1 while the server listens and lets processes in, else 0.',
    labels: [],
    read: ({ isReady }) => [[{}, isReady ? 1 : 0]],
  },
  {
    name: 'acebase_ipc_connections',
    type: 'gauge',
    help: 'TCP connections.',
    labels: [],
    read: ({ connections }) => [[{}, connections]],
  },
  {
    name: 'acebase_ipc_databases',
    type: 'gauge',
    help: 'Databases that have peers.',
    labels: [],
    read: ({ summaries }) => [[{}, summaries.length]],
  },
  {
    name: 'acebase_ipc_peers',
    type: 'gauge',
    help: 'Peers, by role (master, worker) and state (connected, settling, away).',
    labels: ['database', 'role', 'state'],
    read: perDatabaseAnd(
      ROLES.flatMap((role) =>
        PEER_STATES.map(
          (state) =>
            [
              { role, state },
              { role, state },
            ] as const,
        ),
      ),
      ({ peers }, { role, state }) => peers[role][state],
    ),
  },
  {
    name: 'acebase_ipc_master_absent_seconds',
    type: 'gauge',
    help: 'Seconds for which no master has been connected; 0 if one is.',
    labels: ['database'],
    read: perDatabase(({ masterAbsentFor = 0 }) => masterAbsentFor / MS_PER_SECOND, Math.max),
  },
  {
    name: 'acebase_ipc_managed_master_up',
    type: 'gauge',
    help: '1 while the master that the server runs itself serves, else 0.',
    labels: ['database'],
    read: perMaster(({ state }) => (state === 'serving' ? 1 : 0)),
  },
  {
    name: 'acebase_ipc_managed_master_restarts_total',
    type: 'counter',
    help: 'Processes that were started in the place of one that had ended.',
    labels: ['database'],
    read: perMaster(({ restarts }) => restarts),
  },
  {
    name: 'acebase_ipc_managed_master_resident_memory_bytes',
    type: 'gauge',
    help: 'Memory of the process of that master.',
    labels: ['database'],
    read: perMaster(({ vitals }) => vitals?.rss),
  },
  {
    name: 'acebase_ipc_managed_master_event_loop_delay_seconds',
    type: 'gauge',
    help: 'Seconds that 99 of 100 waits for the event loop of that process were below.',
    labels: ['database'],
    read: perMaster(({ vitals }) => vitals && vitals.eventLoopDelayP99 / MS_PER_SECOND),
  },
  {
    name: 'acebase_ipc_journal_in_force',
    type: 'gauge',
    help: '1 while the journal is in force, since every peer keeps one: the file is crash-safe; else 0.',
    labels: ['database'],
    read: perDatabase(({ journal }) => (journal.isInForce ? 1 : 0), Math.min),
  },
  {
    name: 'acebase_ipc_waiting_workers',
    type: 'gauge',
    help: 'Workers that wait for an answer of the master.',
    labels: ['database'],
    read: perDatabase(({ waitingWorkers }) => waitingWorkers),
  },
  {
    name: 'acebase_ipc_received_messages_total',
    type: 'counter',
    help: 'Frames that came from peers, by kind.',
    labels: ['database', 'kind'],
    read: totalByKind(({ received }) => received),
  },
  {
    name: 'acebase_ipc_received_bytes_total',
    type: 'counter',
    help: 'Bytes of these frames.',
    labels: ['database', 'kind'],
    read: totalByKind(({ receivedBytes }) => receivedBytes),
  },
  {
    name: 'acebase_ipc_relayed_messages_total',
    type: 'counter',
    help: 'Deliveries that these frames called for, by kind: one for each receiver.',
    labels: ['database', 'kind'],
    read: totalByKind(({ relayed }) => relayed),
  },
  {
    name: 'acebase_ipc_relayed_bytes_total',
    type: 'counter',
    help: 'Bytes of these deliveries.',
    labels: ['database', 'kind'],
    read: totalByKind(({ relayedBytes }) => relayedBytes),
  },
  {
    name: 'acebase_ipc_sent_messages_total',
    type: 'counter',
    help: 'Frames that were given to the lines of peers, those of the server itself and those that were sent again among them.',
    labels: ['database'],
    read: total(({ sent }) => sent),
  },
  {
    name: 'acebase_ipc_sent_bytes_total',
    type: 'counter',
    help: 'Bytes of these frames.',
    labels: ['database'],
    read: total(({ sentBytes }) => sentBytes),
  },
  {
    name: 'acebase_ipc_buffered_bytes',
    type: 'gauge',
    help: 'Bytes that wait for the lines of peers that are connected.',
    labels: ['database'],
    read: perDatabase(({ bufferedBytes }) => bufferedBytes),
  },
  {
    name: 'acebase_ipc_kept_bytes',
    type: 'gauge',
    help: 'Bytes of what is kept: messages for peers that are disconnected, or that are to be picked up; requests that wait, and locks.',
    labels: ['database'],
    read: perDatabase(({ keptBytes }) => keptBytes),
  },
  {
    name: 'acebase_ipc_mail_messages',
    type: 'gauge',
    help: 'Messages that are kept for a master that is absent or settling, and for peers that are away.',
    labels: ['database'],
    read: perDatabase(({ mail }) => mail.messages),
  },
  {
    name: 'acebase_ipc_mail_bytes',
    type: 'gauge',
    help: 'Bytes of these messages.',
    labels: ['database'],
    read: perDatabase(({ mail }) => mail.bytes),
  },
  {
    name: 'acebase_ipc_dropped_messages_total',
    type: 'counter',
    help: 'Messages that were not delivered, by reason: an incident, or peer-gone for mail that was kept for a peer that is gone.',
    labels: ['reason'],
    read: ({ incidents, totals }) => {
      let mail = 0;
      for (const { droppedMail } of totals.values()) mail += droppedMail;
      const drops = INCIDENTS.filter((incident) => DROPS.has(incident));
      return [...counts('reason', drops, incidents), [{ reason: 'peer-gone' }, mail]];
    },
  },
  {
    name: 'acebase_ipc_incidents_total',
    type: 'counter',
    help: 'Other incidents, by kind.',
    labels: ['incident'],
    read: ({ incidents }) =>
      counts(
        'incident',
        INCIDENTS.filter((incident) => !DROPS.has(incident)),
        incidents,
      ),
  },
  {
    name: 'acebase_ipc_lock_wait_seconds',
    type: 'histogram',
    help: 'From the request of a worker for a lock until its grant was passed on.',
    labels: ['database'],
    read: durations(({ lockWait }) => lockWait),
  },
  {
    name: 'acebase_ipc_lock_hold_seconds',
    type: 'histogram',
    help: 'From the grant of a lock to a worker until it was given back, by whomever.',
    labels: ['database'],
    read: durations(({ lockHold }) => lockHold),
  },
  {
    name: 'acebase_ipc_locks',
    type: 'gauge',
    help: 'Locks of workers, by state (held, expired).',
    labels: ['database', 'state'],
    read: perDatabaseAnd(
      LOCK_STATES.map((state) => [{ state }, state] as const),
      ({ heldLocks }, state) => heldLocks[state],
    ),
  },
  {
    name: 'acebase_ipc_waiting_lock_requests',
    type: 'gauge',
    help: 'Requests for locks that are not answered.',
    labels: ['database'],
    read: perDatabase(({ waitingLocks }) => waitingLocks),
  },
  {
    name: 'acebase_ipc_oldest_lock_wait_seconds',
    type: 'gauge',
    help: 'Seconds for which the oldest of these requests has waited; 0 if there is none.',
    labels: ['database'],
    read: perDatabase(({ oldestWaitingLock = 0 }) => oldestWaitingLock / MS_PER_SECOND, Math.max),
  },
  {
    name: 'acebase_ipc_recovered_locks_total',
    type: 'counter',
    help: 'Locks of workers that went away, which the server gave back.',
    labels: ['database'],
    read: total(({ recoveredLocks }) => recoveredLocks),
  },
  {
    name: 'acebase_ipc_reconnects_total',
    type: 'counter',
    help: 'Peers that came back on a new line, those that resumed their session among them.',
    labels: ['database'],
    read: total(({ reconnects }) => reconnects),
  },
  {
    name: 'acebase_ipc_resumed_sessions_total',
    type: 'counter',
    help: 'Clients of this package that resumed their session.',
    labels: ['database'],
    read: total(({ resumedSessions }) => resumedSessions),
  },
  {
    name: 'acebase_ipc_refusals_total',
    type: 'counter',
    help: 'Connections and requests that were refused, by error code.',
    labels: ['code'],
    read: ({ refusals }) => counts('code', REFUSALS, refusals),
  },
];
