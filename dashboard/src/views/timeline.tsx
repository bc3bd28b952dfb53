import { useState } from 'preact/hooks';
import type { TimelineEntry } from '../status.js';
import { counted, timeOfDay } from '../words.js';

/** How many are shown before more are asked for. */
const FEW = 12;

/** Kinds that somebody should look at. */
const BAD = new Set<TimelineEntry['kind']>(['away', 'refused', 'recovered', 'slow', 'warning']);

/** What happened, the newest first. */
export function Timeline({
  entries,
  now,
}: {
  readonly entries: readonly TimelineEntry[];
  readonly now: number;
}) {
  const [showsAll, setShowsAll] = useState(false);
  const newestFirst = [...entries].reverse();
  const shown = showsAll ? newestFirst : newestFirst.slice(0, FEW);
  return (
    <section class="timeline" aria-labelledby="timeline-title">
      <h3 id="timeline-title">What happened</h3>
      {entries.length === 0 && <p class="quiet">Nothing yet.</p>}
      <ol>
        {shown.map((entry) => (
          <li key={`${entry.at} ${entry.kind} ${entry.peer} ${entry.message}`}>
            <time dateTime={new Date(entry.at).toISOString()}>{timeOfDay(entry.at, now)}</time>
            <span class={`tag ${BAD.has(entry.kind) ? 'odd' : ''}`}>{entry.kind}</span>
            <p>
              {entry.message} {entry.peer !== null && <code class="id">{entry.peer}</code>}
            </p>
          </li>
        ))}
      </ol>
      {newestFirst.length > FEW && (
        <button type="button" class="plain" aria-expanded={showsAll} onClick={() => setShowsAll(!showsAll)}>
          {showsAll ? 'Show fewer' : `Show ${counted(newestFirst.length - FEW, 'earlier one')}`}
        </button>
      )}
    </section>
  );
}
