import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { type Sample, WINDOW_MS } from '../history.js';

/** One line of a plot. */
export interface Line {
  readonly label: string;
  readonly key: 'in' | 'out' | 'lockWait';
  /** The custom property of the style sheet that has its colour. */
  readonly color: string;
  readonly isDashed?: boolean;
  /** Values come now and then: each is a point. */
  readonly isSparse?: boolean;
}

interface PlotProps {
  readonly title: string;
  readonly samples: readonly Sample[];
  /** Where the time ends, in milliseconds. */
  readonly now: number;
  readonly lines: readonly Line[];
  readonly format: (value: number) => string;
}

const HEIGHT = 150;

/** Values that are further apart are not joined by a line, in seconds. */
const APART_S = 10;

/** The last minutes as lines. Its head says in text what the pointer is at, or else the last values. */
export function Plot({ title, samples, now, lines, format }: PlotProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  // What a plot is made of anew when the theme changes: not what was there when it was made first.
  const latest = useRef({ samples, end: 0 });
  const [pointed, setPointed] = useState<number | null>(null);
  latest.current = { samples, end: now / 1_000 };

  useEffect(() => {
    const element = host.current;
    if (element === null) return undefined;
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const make = (): void => {
      plot.current?.destroy();
      const options = optionsOf(element, lines, format, () => latest.current.end, setPointed);
      plot.current = new uPlot(options, dataOf(latest.current.samples, lines), element);
    };
    make();
    const resized = new ResizeObserver(() => {
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    resized.observe(element);
    dark.addEventListener('change', make);
    return () => {
      resized.disconnect();
      dark.removeEventListener('change', make);
      plot.current?.destroy();
    };
  }, []);

  useEffect(() => plot.current?.setData(dataOf(samples, lines)), [samples, lines]);

  const sample = (pointed === null ? undefined : samples[pointed]) ?? samples.at(-1);
  return (
    <section class="plot" aria-label={title}>
      <div class="plot-head">
        <h3>{title}</h3>
        <p>
          {pointed !== null && sample !== undefined && <span class="quiet">{ago(now - sample.at)}</span>}
          {lines.map((line) => {
            const value = line.isSparse && pointed === null ? lately(samples, line, now) : sample?.[line.key];
            return (
              <span key={line.key} class={`key ${line.isDashed ? 'dashed' : ''} ${line.key}`}>
                {line.label} <b>{value === null || value === undefined ? '–' : format(value)}</b>
              </span>
            );
          })}
        </p>
      </div>
      <div class="canvas" ref={host} role="img" aria-label={describe(title, samples, lines, format)} />
    </section>
  );
}

/** The last value, if it is not old. */
function lately(samples: readonly Sample[], { key }: Line, now: number): number | null {
  const last = samples.findLast((sample) => sample[key] !== null);
  return last !== undefined && last.at > now - APART_S * 1_000 ? last[key] : null;
}

/** A second without a value is no gap where values come now and then. */
const onlyWideGaps: uPlot.Series.GapsRefiner = (plot, _series, _from, _to, gaps) =>
  gaps.filter(
    ([start, end]) =>
      (end - start) / devicePixelRatio > (plot.bbox.width / devicePixelRatio / (WINDOW_MS / 1_000)) * APART_S,
  );

function ago(ms: number): string {
  return `${Math.round(ms / 1_000)} s ago`;
}

/** What is to be seen, for who does not see it. */
function describe(
  title: string,
  samples: readonly Sample[],
  lines: readonly Line[],
  format: PlotProps['format'],
): string {
  const said = lines.map((line) => {
    const values = samples.map((sample) => sample[line.key]).filter((value) => value !== null);
    if (values.length === 0) return `${line.label}: none`;
    return `${line.label}: at most ${format(Math.max(...values))}`;
  });
  return `${title} in the last 5 minutes. ${said.join(', ')}.`;
}

function dataOf(samples: readonly Sample[], lines: readonly Line[]): uPlot.AlignedData {
  return [
    samples.map(({ at }) => at / 1_000),
    ...lines.map(({ key }) => samples.map((sample) => sample[key])),
  ];
}

function optionsOf(
  element: HTMLElement,
  lines: readonly Line[],
  format: PlotProps['format'],
  end: () => number,
  onPointed: (index: number | null) => void,
): uPlot.Options {
  const style = getComputedStyle(element);
  const color = (name: string): string => style.getPropertyValue(name).trim();
  const axis = { stroke: color('--muted'), font: `11px ${style.fontFamily}`, ticks: { show: false } };
  const seconds = WINDOW_MS / 1_000;
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [8, 16, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: {
      x: { time: false, range: () => [end() - seconds, end()] },
      y: { range: (_plot, _min, max) => [0, Math.max(1, (max ?? 0) * 1.1)] },
    },
    axes: [
      {
        ...axis,
        size: 32,
        gap: 8,
        grid: { show: false },
        // They stand still while the lines move.
        splits: () => [0, 1, 2, 3, 4, 5].map((minute) => end() - seconds + minute * 60),
        values: () => ['−5 min', '−4', '−3', '−2', '−1', 'now'],
      },
      {
        ...axis,
        size: 56,
        space: 28,
        grid: { stroke: color('--hairline'), width: 1 },
        values: (_plot, splits) => splits.map((value) => (value === 0 ? '0' : format(value))),
      },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        stroke: color(line.color),
        width: 1.5,
        ...(line.isDashed ? { dash: [5, 3] } : {}),
        points: { show: line.isSparse === true, size: 3, fill: color(line.color) },
        ...(line.isSparse ? { gaps: onlyWideGaps } : {}),
      })),
    ],
    hooks: { setCursor: [(plot) => onPointed(plot.cursor.idx ?? null)] },
  };
}
