import { sortedPeers } from '../cluster.js';
import type { History } from '../history.js';
import type { DatabaseStatus, PeerStatus } from '../status.js';
import { bytes, count, latency, rate, seconds, timeOfDay } from '../words.js';
import { Table } from './table.js';

const COLUMNS = [
  { label: 'Peer', class: 'wide' },
  { label: 'Client', class: 'client' },
  { label: 'Address', class: 'address' },
  { label: 'PID', isNumber: true, class: 'pid' },
  { label: 'Connected', isNumber: true },
  { label: 'In /s', isNumber: true, class: 'rate' },
  { label: 'Out /s', isNumber: true, class: 'rate' },
  { label: 'Round trip', isNumber: true },
  { label: 'Mail', isNumber: true, class: 'mail' },
  { label: 'Buffered', isNumber: true },
];

interface PeersProps {
  readonly database: DatabaseStatus;
  readonly history: History;
  readonly now: number;
}

/** Who is connected, and how each of them fares. */
export function Peers({ database, history, now }: PeersProps) {
  return (
    <section class="peers" aria-labelledby="peers-title">
      <h3 id="peers-title">
        Peers <span class="amount">{count(database.peerCount)}</span>
      </h3>
      <Table
        caption={`The peers of ${database.name}`}
        columns={COLUMNS}
        rows={sortedPeers(database.peers)}
        total={database.peerCount}
        keyOf={({ id }) => id}
        classOf={({ state }) => (state === 'connected' ? '' : 'odd')}
        cells={(peer) => cellsOf(peer, database.name, history, now)}
        nothing="Nobody is connected."
      />
    </section>
  );
}

function cellsOf(peer: PeerStatus, database: string, history: History, now: number) {
  const rates = history.rateOf(database, peer.id);
  const { mail } = peer;
  return [
    <>
      <code class="id">{peer.id}</code> <span class={`tag ${peer.role}`}>{peer.role}</span>{' '}
      {peer.state !== 'connected' && <span class="tag odd">{peer.state}</span>}
    </>,
    peer.client ?? 'AceBase’s own',
    peer.address,
    // A number that is copied to a shell: no commas.
    peer.pid === null ? '–' : String(peer.pid),
    <time
      key="since"
      dateTime={new Date(peer.connectedAt).toISOString()}
      title={timeOfDay(peer.connectedAt, now)}
    >
      {seconds(now - peer.connectedAt)}
    </time>,
    rates === undefined ? '–' : rate(rates.in),
    rates === undefined ? '–' : rate(rates.out),
    peer.roundTrip === null ? '–' : latency(peer.roundTrip),
    mail.messages === 0 ? '0' : `${count(mail.messages)} (${bytes(mail.bytes)})`,
    bytes(peer.buffered),
  ];
}
