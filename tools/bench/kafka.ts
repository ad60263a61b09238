import { type DistributedPlatform, startDistributed, startServers } from './distributed.ts';
import { type Figure, figure, type Measured, median } from './figures.ts';
import { startGenerator } from './generator.ts';
import { bounds, type FullLoad, figuresOf, fullLoad, halfLoad } from './loads.ts';
import { startPlatform } from './platform.ts';
import { pssMiB } from './processes.ts';
import { benchRelay } from './relay.ts';

/** What seven services in eight processes may cost beside the same in one. */
const CPU_TIMES_MAX = 2.5;
const MEMORY_SAMPLES = 5;

/** The platform as processes over Kafka, beside the one in one process, and the relay by itself. */
export async function benchKafka(profile?: string): Promise<Measured> {
  process.stderr.write('  in one process\n');
  const alone = await inOneProcess();
  const servers = await startServers();
  try {
    process.stderr.write('  as processes over Kafka\n');
    const together = await asProcesses(await startDistributed(servers, profile), alone);
    process.stderr.write('  relay\n');
    const relay = await benchRelay({ kafka: servers.kafka, databaseUrl: together.databaseUrl });
    return {
      figures: [...relay.figures, ...together.measured.figures],
      notes: [...together.measured.notes, ...relay.notes],
    };
  } finally {
    await servers.stop();
  }
}

interface Alone {
  readonly full: FullLoad;
  readonly memoryMiB: number;
}

async function inOneProcess(): Promise<Alone> {
  const platform = await startPlatform();
  const generator = startGenerator(platform);
  try {
    const full = await fullLoad(platform, generator);
    const [, postgres] = platform.processes;
    return { full, memoryMiB: memoryOf(platform.processes) - memoryOf([postgres]) };
  } finally {
    generator.close();
    await platform.stop();
  }
}

async function asProcesses(
  platform: DistributedPlatform,
  alone: Alone,
): Promise<{ readonly measured: Measured; readonly databaseUrl: string }> {
  const generator = startGenerator(platform);
  try {
    const full = await fullLoad(platform, generator);
    const half = await halfLoad(generator, full.perSecond / 2);
    generator.close();
    const memoryMiB = memoryOf(platform.services);
    const bound = await bounds(platform, full);
    const { figures, notes } = figuresOf('kafka', full, half, bound);
    const more = [cpuFigure(full, alone.full), memoryFigure(platform.services.length, memoryMiB, alone.memoryMiB)];
    const aside = `In one process, ${Math.round(alone.full.perSecond)} settlements/s for ${alone.full.servicesCpuMs.toPrecision(3)} CPU-ms each.`;
    return {
      measured: { figures: [...figures, ...more], notes: [...notes, aside] },
      databaseUrl: platform.databaseUrl,
    };
  } finally {
    generator.close();
    await platform.stop();
  }
}

function cpuFigure({ servicesCpuMs }: FullLoad, alone: FullLoad): Figure {
  const bound = `${CPU_TIMES_MAX} × one process for all services`;
  return figure('kafka.cpu', servicesCpuMs, 'ms', CPU_TIMES_MAX * alone.servicesCpuMs, bound);
}

function memoryFigure(processes: number, memoryMiB: number, aloneMiB: number): Figure {
  return figure('kafka.memory', memoryMiB, 'MiB', processes * aloneMiB, `${processes} × one process for all services`);
}

const memoryOf = (processes: readonly number[]): number =>
  median(Array.from({ length: MEMORY_SAMPLES }, () => pssMiB(processes)));
