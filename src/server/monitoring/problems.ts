/** What is wrong with a database, in plain words: every rule, with when it holds and what to do. */

import type { Settings } from '../../options/settings.js';
import type { AlarmingIncident } from './incidents.js';
import type { DatabaseReport, PeerReport } from './report.js';
import { describeSpan } from './spans.js';

/** Something that is wrong, for people to read. */
export interface Problem {
  /** Names the rule, for programs. */
  readonly code: string;
  /** Since when: milliseconds since 1970. */
  readonly since: number;
  readonly message: string;
  /** What to do. */
  readonly remedy: string;
  readonly severity: 'warning' | 'critical';
}

/** The options that rules go by. */
export interface ProblemLimits
  extends Pick<Settings, 'maxBuffered' | 'maxMailPerPeer' | 'lockTimeout' | 'reconnectGrace'> {
  /** The files whose masters this server runs itself, by their names on the wire. */
  readonly managed: ReadonlySet<string>;
}

/** Now: by the broker's clock, and since 1970. In milliseconds. */
export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

/** When the rules hold. Times in milliseconds, the rest as a share of the limit. */
export const RULES = {
  /** No master, and workers wait for one. A master that is started anew takes a second or two. */
  masterAbsentWarning: 2_000,
  masterAbsentCritical: 10_000,
  /** A master that has not opened its file, while workers wait. */
  masterSettling: 10_000,
  /** A lock that is waited for. */
  lockWaitWarning: 5_000,
  lockWaitCritical: 30_000,
  /** A lock that is held while nobody waits; with somebody who waits, the wait is the problem. */
  lockHeld: 30_000,
  /** Bytes that a peer has not read, as a share of `maxBuffered`. */
  bufferedWarning: 0.25,
  bufferedCritical: 0.75,
  /** Mail that is kept for one peer, as a share of `maxMailPerPeer`. */
  mailWarning: 0.5,
  mailCritical: 0.8,
} as const;

/** What is found, before it is known where and when. */
interface Finding {
  readonly code: string;
  /** For how long, in milliseconds. */
  readonly lasts: number;
  /** What follows the name of the database. */
  readonly text: string;
  readonly remedy: string;
  readonly isCritical: boolean;
}

type Rule = (report: DatabaseReport, limits: ProblemLimits) => Finding | undefined;

/** Everything that is wrong with a database, the worst first. */
export function problemsOf(report: DatabaseReport, limits: ProblemLimits, now: Moment): readonly Problem[] {
  const found = THE_RULES.map((rule) => rule(report, limits)).filter((finding) => finding !== undefined);
  const name = plainName(report.name);
  return [...found, ...alarmsOf(report, limits, now)]
    .sort((a, b) => Number(b.isCritical) - Number(a.isCritical) || b.lasts - a.lasts)
    .map(({ code, lasts, text, remedy, isCritical }) => ({
      code,
      since: Math.round(now.wall - lasts),
      message: `${name} ${text}`,
      remedy,
      severity: isCritical ? 'critical' : 'warning',
    }));
}

/** A database as its user calls it: on the wire it has the name of a file. */
export function plainName(name: string): string {
  if (name.endsWith('_transaction')) return `${name.slice(0, -'_transaction'.length)} (transaction log)`;
  return name.endsWith('_data') ? name.slice(0, -'_data'.length) : name;
}

const START_THE_MASTER =
  'Check that the process with role "master" is running, and check its log: it needs the same database name, host, port and token as the workers.';

const SEE_TO_THE_MASTER =
  'This server runs that master itself: see what it says about it, under masters and in its log. It is started again by itself.';

function remedyForMaster({ name }: DatabaseReport, { managed }: ProblemLimits): string {
  return managed.has(name) ? SEE_TO_THE_MASTER : START_THE_MASTER;
}

const noMaster: Rule = (report, limits) => {
  const { masterAbsentFor: lasts, waitingWorkers, peers } = report;
  const workers = peers.worker.connected + peers.worker.away;
  if (lasts === undefined || workers === 0) return undefined;
  if (lasts < (waitingWorkers > 0 ? RULES.masterAbsentWarning : RULES.masterAbsentCritical)) return undefined;
  const who =
    waitingWorkers > 0
      ? `${several(waitingWorkers, 'worker')} ${waitingWorkers === 1 ? 'waits' : 'wait'}`
      : `${several(workers, 'worker')} ${workers === 1 ? 'is' : 'are'} there`;
  return {
    code: 'no-master',
    lasts,
    text: `has had no master for ${describeSpan(lasts)}: ${who}`,
    remedy: remedyForMaster(report, limits),
    isCritical: waitingWorkers > 0 && lasts >= RULES.masterAbsentCritical,
  };
};

const masterSettles: Rule = ({ peers, listedPeers, oldestWaitingLock, waitingWorkers }) => {
  if (peers.master.settling === 0 || waitingWorkers === 0) return undefined;
  const lasts = oldestWaitingLock ?? 0;
  if (lasts < RULES.masterSettling) return undefined;
  const client = listedPeers.find(({ role }) => role === 'master')?.client ?? 'stock';
  return {
    code: 'master-settling',
    lasts,
    text: `has a master that has not opened its file yet: ${several(waitingWorkers, 'worker')} waiting for up to ${describeSpan(lasts)}`,
    remedy: `Look at the log of the master (client: ${client}), and at the disk that the file is on.`,
    isCritical: lasts >= RULES.lockWaitCritical,
  };
};

const lockWait: Rule = (report) => {
  const { hasMaster, peers, oldestWaitingLock: lasts, waitingLocks, locks } = report;
  if (!hasMaster || peers.master.settling > 0 || lasts === undefined || lasts < RULES.lockWaitWarning)
    return undefined;
  const [oldest] = locks.held;
  const holder = oldest
    ? `; ${named(oldest.holder, report)} holds one for ${describeSpan(oldest.heldFor)}`
    : '; no worker holds one';
  return {
    code: 'lock-wait',
    lasts,
    text: `has ${several(waitingLocks, 'request')} waiting for a lock, the oldest for ${describeSpan(lasts)}${holder}`,
    remedy: oldest
      ? `Look what ${named(oldest.holder, report)} does: it works long under a lock, or its event loop is blocked. Restart it if it does not end; its lock is then given back.`
      : 'Look at the master: it holds the lock itself, or does not answer.',
    isCritical: lasts >= RULES.lockWaitCritical,
  };
};

const lockHeld: Rule = (report, { lockTimeout }) => {
  const { locks, waitingLocks } = report;
  const [oldest] = locks.held;
  if (oldest === undefined || waitingLocks > 0 || oldest.heldFor < RULES.lockHeld) return undefined;
  return {
    code: 'lock-held',
    lasts: oldest.heldFor,
    text: `has a lock that ${named(oldest.holder, report)} holds for ${describeSpan(oldest.heldFor)}`,
    remedy: `Nobody waits for it yet. If ${named(oldest.holder, report)} does not work on something long, restart it. After ${describeSpan(lockTimeout)} the master lets the lock go.`,
    isCritical: false,
  };
};

const slowPeer: Rule = (report, { maxBuffered }) => {
  const { listedPeers } = report;
  const slow = listedPeers.filter(({ buffered }) => buffered >= maxBuffered * RULES.bufferedWarning);
  const worst = largest(slow, ({ buffered }) => buffered);
  if (worst === undefined) return undefined;
  const others = slow.length > 1 ? ` (and ${several(slow.length - 1, 'other')})` : '';
  return {
    code: 'slow-peer',
    lasts: 0,
    text: `has a slow peer: ${worst.id} has not read what makes ${percent(worst.buffered, maxBuffered)} of maxBuffered${others}`,
    remedy: `Look at the event loop of ${named(worst.id, report)}, at ${worst.address}. It is cut off when it is over maxBuffered; raise that if such bursts are normal.`,
    isCritical: worst.buffered >= maxBuffered * RULES.bufferedCritical,
  };
};

const muchMail: Rule = (report, limits) => {
  const { masterMail, listedPeers } = report;
  const { maxMailPerPeer } = limits;
  const worst = largest(listedPeers, ({ mail }) => mail.bytes);
  const isForMaster = masterMail.bytes >= (worst?.mail.bytes ?? 0);
  const { bytes, messages } = isForMaster ? masterMail : (worst?.mail ?? masterMail);
  if (bytes < maxMailPerPeer * RULES.mailWarning) return undefined;
  const whom = isForMaster ? 'the master' : `${worst?.id}`;
  return {
    code: 'mail-near-limit',
    lasts: 0,
    text: `keeps ${several(messages, 'message')} for ${whom}: ${percent(bytes, maxMailPerPeer)} of maxMailPerPeer`,
    remedy: isForMaster
      ? `When it is full, requests are answered with an error. ${remedyForMaster(report, limits)}`
      : `When it is full, ${whom} is gone, and must be started afresh. See why it is away.`,
    isCritical: bytes >= maxMailPerPeer * RULES.mailCritical,
  };
};

const THE_RULES: readonly Rule[] = [noMaster, masterSettles, lockWait, lockHeld, slowPeer, muchMail];

/** What is said of an incident that somebody should look at, for a minute after it. Without a remedy: see to the master. */
const ALARMS: Readonly<Record<AlarmingIncident, readonly [text: string, remedy: string | undefined]>> = {
  'malformed-frame': [
    'got a frame that is not of the protocol',
    'Find the program that sent it in the log, by `from`. AceBase sends none.',
  ],
  'mailbox-full': ['has no room to keep more messages for the master', undefined],
  'too-slow': [
    'cut off a peer that did not read its messages',
    'Look at the event loop of that process: it was stopped, overloaded, or in a long synchronous task.',
  ],
  'over-total': [
    'cut off the peer that took most memory: maxTotalBuffered was used up, and this database used most of it',
    'Look for processes that do not read, are disconnected, or ask for very much at one time; raise maxTotalBuffered if there is memory.',
  ],
  'parking-expired': [
    'dropped a large message that was not picked up',
    'Set largeMessages to "websocket": stock clients cannot pick messages up.',
  ],
  'too-many-requests': [
    'answers for the master: there is no room to keep more requests of a worker',
    'Check that the master answers. If the worker really asks for that much at once, have it write in smaller parts, or raise maxMailPerPeer.',
  ],
  'locks-recovered': [
    'lost a worker that held locks; they were given back',
    'See why it ended, unless you stopped it. Its last write may be half done.',
  ],
  'mail-dropped': [
    'gave up a worker that was away: more than maxMailPerPeer came for it',
    'Nothing, unless it is frequent: its supervisor starts it afresh.',
  ],
  'unsafe-return': [
    'refused a worker that came back at a bad moment',
    'It must be started afresh. If it is not, see whether its supervisor runs; under pm2, use endWithConnection of acebase-ipc-server/stock.',
  ],
  'old-master': [
    'refused a reconnecting master that holds stale locks',
    'It must be started afresh. If it is not, see whether its supervisor runs; under pm2, use endWithConnection of acebase-ipc-server/stock.',
  ],
  'lock-expiry': [
    'has a master whose locks run out at another time than lockTimeout says',
    'Set lockTimeout to its storage.lockTimeout (which is in seconds), or set the clocks.',
  ],
  'file-unknown': [
    'has processes whose database file the server cannot see: two different files would destroy each other',
    'Check that all processes of this database use the same folder. With the client of this package in all of them, the server checks it.',
  ],
  'other-file': [
    'refused a process that has another file under the same database name',
    'Give all processes of a database the same folder, and another database another name. The log names both folders.',
  ],
  'broken-invariant': [
    'was ended, since an invariant did not hold, and has begun anew',
    'It is a fault of this server: report the line `broken-invariant` of its log.',
  ],
};

function alarmsOf(report: DatabaseReport, limits: ProblemLimits, { monotonic }: Moment): Finding[] {
  return report.alarms.map(({ incident, since, last, count }) => {
    const [text, remedy = remedyForMaster(report, limits)] = ALARMS[incident];
    const lasts = monotonic - since;
    const often =
      count === 1
        ? `${describeSpan(monotonic - last)} ago`
        : `${count} times, the last ${describeSpan(monotonic - last)} ago`;
    return { code: incident, lasts, text: `${text} (${often})`, remedy, isCritical: false };
  });
}

/** A peer, with the number of its process if that is known: it is what somebody must look at, or end. */
function named(id: string, { listedPeers }: DatabaseReport): string {
  const pid = listedPeers.find((peer) => peer.id === id)?.pid;
  return pid === undefined ? id : `${id} (pid ${pid})`;
}

function largest(peers: readonly PeerReport[], by: (peer: PeerReport) => number): PeerReport | undefined {
  return peers.reduce<PeerReport | undefined>(
    (best, peer) => (best === undefined || by(peer) > by(best) ? peer : best),
    undefined,
  );
}

function percent(part: number, whole: number): string {
  return `${Math.round((100 * part) / whole)} %`;
}

function several(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
