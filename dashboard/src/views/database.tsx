import { calmWords, masterWords, safetyWords, shownHealth, sortedProblems } from '../cluster.js';
import type { History, Sample } from '../history.js';
import type { DatabaseStatus, ManagedMasterStatus, Problem } from '../status.js';
import { bytes, count, counted, latency, rate, seconds, timeOfDay } from '../words.js';
import { LONG_WAIT_MS, Locks } from './locks.js';
import { Mark } from './mark.js';
import { Peers } from './peers.js';
import { type Line, Plot } from './plot.js';
import { Timeline } from './timeline.js';

interface DatabaseProps {
  readonly database: DatabaseStatus;
  /** Its master, if the server runs that itself. */
  readonly managedMaster: ManagedMasterStatus | undefined;
  readonly history: History;
  /** The server's clock. */
  readonly now: number;
  /** What is wrong with the server as a whole, and with masters that it runs. */
  readonly concerns: readonly Problem[];
  /** Whether there is no line: what is shown is what was known last. */
  readonly isStale: boolean;
  /** Other databases that have problems. */
  readonly others: readonly DatabaseStatus[];
}

const MESSAGE_LINES: readonly Line[] = [
  { label: 'from peers', key: 'in', color: '--line-1' },
  { label: 'to peers', key: 'out', color: '--line-2', isDashed: true },
];

const WAIT_LINES: readonly Line[] = [{ label: 'wait', key: 'lockWait', color: '--line-3', isSparse: true }];

/** One database: what is wrong, and everything to find out why. */
export function Database(props: DatabaseProps) {
  const { database, managedMaster, history, now } = props;
  const samples = history.samples(database.name);
  return (
    <article aria-labelledby="database-name">
      <h2 id="database-name" class="database-name">
        {database.name}
      </h2>
      <Problems {...props} />
      <Figures database={database} samples={samples} />
      {managedMaster !== undefined && <p class="others">{masterWords(managedMaster, now)}</p>}
      {database.peerCount > 0 && <p class="others">{safetyWords(database)}</p>}
      <div class="plots">
        <Plot title="Messages per second" samples={samples} now={now} lines={MESSAGE_LINES} format={rate} />
        <Plot
          title="Wait for a lock, on average"
          samples={samples}
          now={now}
          lines={WAIT_LINES}
          format={latency}
        />
      </div>
      <Peers database={database} history={history} now={now} />
      <Locks database={database} now={now} />
      <Timeline entries={database.timeline} now={now} />
    </article>
  );
}

function Problems({ database, now, others, concerns, isStale }: DatabaseProps) {
  const problems = sortedProblems([...database.problems, ...concerns]);
  return (
    <section class="problems" aria-label="Problems">
      {problems.length === 0 && <NoProblem database={database} isStale={isStale} />}
      {problems.map((problem, index) => (
        <ProblemBanner key={`${problem.code} ${index}`} problem={problem} now={now} />
      ))}
      {others.length > 0 && (
        <p class="others">
          {others.length === 1 ? 'Another database has' : `${count(others.length)} other databases have`} a
          problem:{' '}
          {others.slice(0, 5).map(({ name }, index) => (
            <>
              {index > 0 && ', '}
              <a href={`#/${encodeURIComponent(name)}`}>{name}</a>
            </>
          ))}
          {others.length > 5 && ' …'}
        </p>
      )}
      {/* The banners tick; only what is new is read out. */}
      <p class="unseen" role="status">
        {problems.length === 0
          ? calmTitle(database, isStale)
          : `${counted(problems.length, 'problem')}: ${problems.map(({ code }) => code).join(', ')}`}
      </p>
    </section>
  );
}

function calmTitle(database: DatabaseStatus, isStale: boolean): string {
  const { title } = calmWords(database);
  return isStale ? `Last known: ${title.charAt(0).toLowerCase()}${title.slice(1)}` : title;
}

function NoProblem({ database, isStale }: Pick<DatabaseProps, 'database' | 'isStale'>) {
  const health = shownHealth(database, isStale);
  const { text } = calmWords(database);
  const title = calmTitle(database, isStale);
  return (
    <div class={`banner ${health}`}>
      <Mark health={health} />
      <div>
        <h3>{title}</h3>
        <p>{text}</p>
      </div>
    </div>
  );
}

export function ProblemBanner({ problem, now }: { readonly problem: Problem; readonly now: number }) {
  const health = problem.severity === 'critical' ? 'critical' : 'warning';
  return (
    <div class={`banner ${health}`}>
      <Mark health={health} label={health === 'critical' ? 'Serious' : 'Warning'} />
      <div>
        <h3>{problem.message}</h3>
        <p>{problem.remedy}</p>
        <p class="since">
          Since {timeOfDay(problem.since, now)} · <code>{problem.code}</code>
        </p>
      </div>
    </div>
  );
}

/** What is looked at first, in numbers. */
function Figures({
  database,
  samples,
}: {
  readonly database: DatabaseStatus;
  readonly samples: readonly Sample[];
}) {
  const { peers, peerCount, locks, mail } = database;
  const masters = peers.filter(({ role }) => role === 'master').length;
  const away = peers.filter(({ role, state }) => role === 'worker' && state === 'away').length;
  const last = samples.at(-1);
  const wait = samples.findLast(({ lockWait }) => lockWait !== null)?.lockWait ?? null;
  const longest = Math.max(0, ...locks.waiting.map(({ waitingFor }) => waitingFor));
  return (
    <dl class="figures">
      <MasterFigure database={database} />
      <Figure
        name="Workers"
        value={count(peerCount - masters)}
        note={away > 0 ? `${count(away)} away` : 'none away'}
        concern={away > 0 ? 'warning' : undefined}
      />
      <Figure name="Messages in" value={`${rate(last?.in ?? 0)}/s`} note={`${rate(last?.out ?? 0)}/s out`} />
      <Figure
        name="Locks"
        {...lockWords(locks.heldCount, locks.waitingCount, longest)}
        concern={longest > LONG_WAIT_MS ? 'warning' : undefined}
      />
      <Figure
        name="Last lock wait"
        value={wait === null ? '–' : latency(wait)}
        note={wait === null ? 'none in 5 min' : 'on average'}
      />
      <Figure name="Mail kept" value={count(mail.messages)} note={bytes(mail.bytes)} />
    </dl>
  );
}

/** Locks are held all the time; that somebody waits for one is what is looked for. */
function lockWords(held: number, waiting: number, longest: number) {
  if (waiting === 0) return { value: `${count(held)} held`, note: 'nobody waits' };
  return { value: `${count(waiting)} waiting`, note: `up to ${latency(longest)}; ${count(held)} held` };
}

function MasterFigure({ database }: { readonly database: DatabaseStatus }) {
  const { peers, peerCount, master, masterAbsentFor, problems } = database;
  const found = peers.find(({ role }) => role === 'master');
  if (master !== null) {
    const state = found?.state ?? 'connected';
    return (
      <Figure
        name="Master"
        value={state}
        note={found?.address ?? ''}
        concern={state === 'connected' ? undefined : 'warning'}
      />
    );
  }
  const concern = problems.some(({ severity }) => severity === 'critical') ? 'critical' : 'warning';
  const absence = masterAbsentFor === null ? '' : `for ${seconds(masterAbsentFor)}`;
  return <Figure name="Master" value="none" note={absence} concern={peerCount > 0 ? concern : undefined} />;
}

function Figure(props: {
  readonly name: string;
  readonly value: string;
  readonly note: string;
  /** Whether somebody should look at it. */
  readonly concern?: 'warning' | 'critical' | undefined;
}) {
  return (
    <div class={props.concern ?? ''}>
      <dt>{props.name}</dt>
      <dd class="value">{props.value}</dd>
      <dd class="note">{props.note}</dd>
    </div>
  );
}
