/**
 * HEALTHCHECK of the image: exit code 0 when the service in this container is ready, or stands by for the one that leads. Runs as it is under Node,
 * which strips the types.
 */
const TIMEOUT_MS = 3_000;

const url = `http://127.0.0.1:${process.env['HTTP_PORT'] ?? '8080'}/readyz?standby=ok`;
try {
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) process.stdout.write(`${response.status} ${await response.text()}\n`);
  process.exitCode = response.ok ? 0 : 1;
} catch (error) {
  process.stdout.write(`${url}: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
