import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { downloadAll } from './download.ts';
import { findJava } from './java.ts';
import { KAFKA_JARS, KAFKA_VERSION } from './kafka-jars.ts';
import { programCache, ServerUnavailable } from './program.ts';

export { KAFKA_VERSION } from './kafka-jars.ts';

const JAVA_VERSION_MIN = 17;
const MAVEN_CENTRAL = 'https://repo.maven.apache.org/maven2';
const PROGRESS_EVERY_MS = 2_000;

/** Apache Kafka on this machine. */
export interface KafkaProgram {
  readonly version: string;
  readonly java: string;
  /** All of Kafka's jars, for `java -cp`. */
  readonly classPath: string;
}

/**
 * Apache Kafka, fetched from Maven Central if it isn't in the cache yet (45 MB, checked against the hashes in kafka-jars.ts). Maven isn't
 * needed. MAVEN_CENTRAL_URL names a mirror; HTTPS_PROXY is honoured.
 * @param say gets a line when it takes a while
 * @throws ServerUnavailable `JAVA_MISSING`, `JAVA_TOO_OLD`, `NOT_FETCHED`
 */
export async function ensureKafka(say: (line: string) => void): Promise<KafkaProgram> {
  const java = await findJava(`Apache Kafka ${KAFKA_VERSION}`, JAVA_VERSION_MIN);
  const cache = programCache();
  const digest = createHash('sha256').update(JSON.stringify(KAFKA_JARS)).digest('hex').slice(0, 8);
  const directory = path.join(cache, `kafka-${KAFKA_VERSION}-${digest}`);
  if (!existsSync(directory)) await install(cache, directory, say);
  return { version: KAFKA_VERSION, java, classPath: path.join(directory, '*') };
}

/** The command line of one of Kafka's own programs, e.g. `org.apache.kafka.tools.ProducerPerformance`. */
export function kafkaCommand(
  { java, classPath }: KafkaProgram,
  mainClass: string,
  args: readonly string[],
  javaOptions: readonly string[] = [],
): readonly [file: string, ...args: string[]] {
  const logging = ['defaultLogLevel=warn', 'showDateTime=true', 'dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS'];
  const options = logging.map((each) => `-Dorg.slf4j.simpleLogger.${each}`);
  return [java, ...javaOptions, ...options, '-cp', classPath, mainClass, ...args];
}

async function install(cache: string, directory: string, say: (line: string) => void): Promise<void> {
  const repository = (process.env['MAVEN_CENTRAL_URL'] || MAVEN_CENTRAL).replace(/\/+$/, '');
  // Moved into place in one step when it is complete: others may be getting it right now.
  const making = makeIn(cache);
  say(`Getting Apache Kafka ${KAFKA_VERSION} from ${repository}, once (45 MB) …`);
  const downloads = KAFKA_JARS.map(([jar, sha256]) => ({
    url: `${repository}/${jar}`,
    sha256,
    file: path.join(making, path.basename(jar)),
  }));
  let saidAt = performance.now();
  const progressed = (count: number): void => {
    if (performance.now() < saidAt + PROGRESS_EVERY_MS) return;
    saidAt = performance.now();
    say(`… ${count} of ${downloads.length} files`);
  };
  try {
    await downloadAll(downloads, { progressed });
    moveIntoPlace(making, directory);
  } catch (error) {
    if (!(error instanceof ServerUnavailable)) throw error;
    const hint =
      'Is there a way to the network? HTTPS_PROXY names a proxy, MAVEN_CENTRAL_URL a mirror of Maven Central.';
    throw new ServerUnavailable(error.reason, `${error.message}. ${hint}`);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

function makeIn(cache: string): string {
  try {
    mkdirSync(cache, { recursive: true });
    return mkdtempSync(path.join(cache, '.kafka-'));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ServerUnavailable(
      'NOT_FETCHED',
      `Kafka can't be kept in ${cache}: ${why}. XDG_CACHE_HOME names another place.`,
    );
  }
}

function moveIntoPlace(making: string, directory: string): void {
  try {
    renameSync(making, directory);
  } catch (error) {
    // Somebody else was faster.
    if (!existsSync(directory)) throw error;
  }
}
