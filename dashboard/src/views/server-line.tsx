import type { ServerStatus } from '../status.js';
import { bytes, counted, latency, seconds } from '../words.js';

/** How the server itself is. */
export function ServerLine({ server }: { readonly server: ServerStatus }) {
  return (
    <dl class="server-line">
      <div>
        <dt>Up</dt>
        <dd>{seconds(server.now - server.startedAt)}</dd>
      </div>
      <div>
        <dt>Holds</dt>
        <dd>{counted(server.connections, 'connection')}</dd>
      </div>
      <div>
        <dt title="99 of 100 turns of its event loop were late by less">Event loop</dt>
        <dd>{latency(server.eventLoopDelayP99)}</dd>
      </div>
      <div>
        <dt title="What waits to be sent or kept, for all peers">Buffered</dt>
        <dd>{bytes(server.bufferedBytes)}</dd>
      </div>
      {server.draining && (
        <div class="warn">
          <dt>State</dt>
          <dd>stopping: no process is let in any more</dd>
        </div>
      )}
    </dl>
  );
}
