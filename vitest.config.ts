import path from 'node:path';
import swc from 'unplugin-swc';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { longFirst } from './tools/test-order.ts';

/**
 * The kind of a test is its suffix; `.spec.ts` without another is pure. Files that aren't isolated share what they import: reading 2,000 modules anew for
 * each would take longer than most of them do. Kinds of one group share its workers, so that no core waits for the last file of a kind: pure ones compute
 * while those with servers wait, and simulations go over into whole platforms.
 */
const KINDS = [
  {
    name: 'int',
    suffix: '.int.spec.ts',
    group: 0,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 4,
    isolate: false,
  },
  {
    name: 'unit',
    suffix: '.spec.ts',
    group: 0,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 4,
    isolate: false,
  },
  {
    name: 'sim',
    suffix: '.sim.spec.ts',
    group: 1,
    testTimeout: 300_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    isolate: false,
  },
  {
    name: 'e2e',
    suffix: '.e2e.spec.ts',
    group: 1,
    testTimeout: 300_000,
    hookTimeout: 300_000,
    maxWorkers: 2,
    isolate: false,
  },
  // Of those the ones that keep two cores busy by themselves: many processes, kills, start and end of the whole platform.
  {
    name: 'soak',
    suffix: '.soak.spec.ts',
    group: 2,
    testTimeout: 300_000,
    hookTimeout: 300_000,
    maxWorkers: 1,
    isolate: true,
  },
];
const PLACES = ['apps/*/src/**', 'libs/*/src/**', 'tools/**', 'k8s/**', 'docker/**'];
const SUFFIXES_OF_OTHERS = ['**/*.int.spec.ts', '**/*.sim.spec.ts', '**/*.e2e.spec.ts', '**/*.soak.spec.ts'];

/** As in tools/register.mjs. */
const translation = {
  tsconfigFile: false,
  swcrc: false,
  module: { type: 'es6' },
  jsc: {
    target: 'es2024',
    keepClassNames: true,
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true, verbatimModuleSyntax: true },
  },
} as const;

class LongFirst extends BaseSequencer {
  override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    return longFirst(await super.sort(specifications), ({ project, moduleId }) => ({
      kind: KINDS.findIndex(({ name }) => name === project.name),
      file: path.relative(import.meta.dirname, moduleId),
    }));
  }
}

export default defineConfig({
  plugins: [swc.vite(translation)],
  test: {
    pool: 'forks',
    sequence: { sequencer: LongFirst },
    projects: KINDS.map(({ name, suffix, group: groupOrder, ...limits }): TestProjectInlineConfiguration => ({
      extends: true,
      test: {
        name,
        include: PLACES.map((place) => `${place}/*${suffix}`),
        exclude: ['**/node_modules/**', ...(name === 'unit' ? SUFFIXES_OF_OTHERS : [])],
        sequence: { groupOrder },
        ...limits,
      },
    })),
  },
});
