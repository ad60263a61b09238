const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

type Stop = () => Promise<void>;

const stops: Stop[] = [];
let ended: Promise<void> | undefined;

/**
 * For whatever must not outlive this process: a signal ends it all, the last one to begin first, and then this process.
 * @returns what ends it now: once, whoever calls it
 */
export function endsWithUs(end: Stop): Stop {
  let ending: Promise<void> | undefined;
  const stop = (): Promise<void> => (ending ??= end().finally(() => stops.splice(stops.indexOf(stop), 1)));
  if (stops.length === 0) for (const signal of SIGNALS) process.off(signal, endAll).on(signal, endAll);
  stops.push(stop);
  return stop;
}

function endAll(): void {
  ended ??= (async () => {
    for (const stop of stops.toReversed()) {
      await stop().catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
    }
    process.exit(1);
  })();
}
