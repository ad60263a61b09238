import { benchAccept, benchOverload } from './accept.ts';
import { figure, type Measured } from './figures.ts';
import { bounds, figuresOf, fullLoad, halfLoad } from './loads.ts';
import { startGenerator } from './generator.ts';
import { startPlatform } from './platform.ts';

/** CENTRALIZED settlements on the platform in one process. */
export async function benchSettlement(profile?: string): Promise<Measured> {
  const platform = await startPlatform(profile);
  const generator = startGenerator(platform);
  let measured: Measured;
  try {
    const full = await fullLoad(platform, generator);
    const half = await halfLoad(generator, full.perSecond / 2);
    const bound = await bounds(platform, full);
    const { figures, notes } = figuresOf('settlement', full, half, bound);
    const alone = `Postgres alone inserting ${full.rows.toFixed(1)} rows`;
    const cpu = figure('settlement.cpu', full.cpuMs, 'ms', bound.cpuMsPerInsert * full.rows, alone);
    const overload = await benchOverload(platform);
    measured = { figures: [...figures, cpu, ...overload.figures], notes: [...notes, ...overload.notes] };
  } finally {
    generator.close();
    await platform.stop();
  }
  return { figures: [...measured.figures, ...(await benchAccept(profile))], notes: measured.notes };
}
