/** A promise of the platform is broken: what a simulation looks for. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly problems: readonly string[];

  constructor(problems: readonly string[], cause?: unknown) {
    super(problems.join('\n'), { cause });
    this.problems = problems;
  }
}
