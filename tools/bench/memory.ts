import { setTimeout as sleep } from 'node:timers/promises';
import { figure, type Measured, median } from './figures.ts';
import { startGenerator } from './generator.ts';
import { startPlatform } from './platform.ts';
import { pssMiB } from './processes.ts';

const SETTLEMENTS = 10_000;
const LIMIT_MIB = 900;
const SAMPLES = 5;
const SAMPLE_MS = 1_000;

/** What the whole platform takes of a machine after it has settled something. */
export async function benchMemory(profile?: string): Promise<Measured> {
  const platform = await startPlatform(profile);
  const generator = startGenerator(platform);
  const [, postgres] = platform.processes;
  try {
    const fresh = pssMiB(platform.processes);
    await generator.run({ count: SETTLEMENTS });
    const samples: { readonly all: number; readonly postgres: number }[] = [];
    for (let i = 0; i < SAMPLES; i++) {
      samples.push({ all: pssMiB(platform.processes), postgres: pssMiB([postgres]) });
      await sleep(SAMPLE_MS);
    }
    const total = median(samples.map((sample) => sample.all));
    const postgresMiB = median(samples.map((sample) => sample.postgres));
    return {
      figures: [figure('memory.standalone', total, 'MiB', LIMIT_MIB, `agreed, after ${SETTLEMENTS} settlements`)],
      notes: [
        `Node ${Math.round(total - postgresMiB)} MiB, Postgres ${Math.round(postgresMiB)} MiB; before the first settlement ${Math.round(fresh)} MiB together.`,
      ],
    };
  } finally {
    generator.close();
    await platform.stop();
  }
}
