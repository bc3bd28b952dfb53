import type { Health } from '../cluster.js';

const SHAPES: Readonly<Record<Health, string>> = {
  well: 'M5 8.2 7.2 10.4 11 6',
  warning: 'M8 4.4v4.4M8 11.2v.2',
  left: 'M5.2 8h5.6',
  critical: 'M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8',
};

/** A sign for how bad it is, in shape as well as in colour. Without a label it only repeats what text says. */
export function Mark({ health, label }: { readonly health: Health; readonly label?: string }) {
  const shape = (
    <>
      <circle cx="8" cy="8" r="7" />
      <path d={SHAPES[health]} />
    </>
  );
  if (label === undefined) {
    return (
      <svg class={`mark ${health}`} viewBox="0 0 16 16" aria-hidden="true">
        {shape}
      </svg>
    );
  }
  return (
    <svg class={`mark ${health}`} viewBox="0 0 16 16" role="img" aria-label={label}>
      <title>{label}</title>
      {shape}
    </svg>
  );
}
