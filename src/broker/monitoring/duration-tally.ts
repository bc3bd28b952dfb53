/** The upper ends of the classes into which durations are counted, in milliseconds. */
export const DURATION_BOUNDS_MS = [
  1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000,
] as const;

/** How long something took, each time: counted in classes, so that it takes the same room for ever. */
export class DurationTally {
  /** How many fell into each class, and, last, how many were longer than all. */
  readonly classes: number[] = new Array<number>(DURATION_BOUNDS_MS.length + 1).fill(0);
  count = 0;
  /** All together, in milliseconds. */
  sum = 0;

  /** Something took so many milliseconds. */
  observe(milliseconds: number): void {
    let index = 0;
    while (index < DURATION_BOUNDS_MS.length && milliseconds > (DURATION_BOUNDS_MS[index] ?? 0)) index++;
    this.classes[index] = (this.classes[index] ?? 0) + 1;
    this.count++;
    this.sum += milliseconds;
  }

  /** Counts what another one has counted. */
  add(other: DurationTally): void {
    for (const [index, count] of other.classes.entries()) {
      this.classes[index] = (this.classes[index] ?? 0) + count;
    }
    this.count += other.count;
    this.sum += other.sum;
  }
}
