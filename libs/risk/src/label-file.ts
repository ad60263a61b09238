import { createHash } from 'node:crypto';
import { NETWORKS, parseAddress } from '@finality/bitcoin';
import { assertNever, err, ok, type Result } from '@finality/kernel';
import { BLACKLIST, type Label, type LabelList, type Quarantined } from './label.ts';

/** `ofac`: one address a line, all blacklisted. `labels`: CSV with the header {@link LABEL_COLUMNS}. */
export type LabelFormat = 'ofac' | 'labels';

export interface LabelFile {
  /** Name of the list: `ofac-xbt`. */
  readonly name: string;
  readonly format: LabelFormat;
  readonly text: string;
}

/** First line of a `labels` file. `listed_on` may be empty (YYYY-MM-DD). */
export const LABEL_COLUMNS = 'address,category,label,source,listed_on';

const LINES_MAX = 1_000_000;
const QUARANTINED_TEXT_MAX = 200;
const OFAC_SOURCE = 'OFAC SDN list, digital currency addresses';

/**
 * Reads a list of labels. A line whose address has no valid checksum on any Bitcoin network is quarantined, not guessed at: OFAC's "XBT"
 * list holds one of TRON. Fails only when the file as a whole is none.
 */
export function readLabelFile(file: LabelFile): Result<LabelList, string> {
  const lines = file.text.split(/\r?\n/);
  if (lines.length > LINES_MAX) return err(`${file.name} has ${lines.length} lines, more than ${LINES_MAX}`);
  const hasHeader = file.format === 'labels';
  if (hasHeader && lines[0]?.trim() !== LABEL_COLUMNS) {
    return err(
      `expected the first line of ${file.name} to be "${LABEL_COLUMNS}", got "${lines[0]?.slice(0, 100) ?? ''}"`,
    );
  }
  const labels = new Map<string, Label>();
  const quarantined: Quarantined[] = [];
  lines.forEach((line, index) => {
    const text = line.trim();
    if (text === '' || text.startsWith('#') || (hasHeader && index === 0)) return;
    const label = readLine(file, text);
    if (label.ok) labels.set(`${label.value.script} ${label.value.category}`, label.value);
    else quarantined.push({ line: index + 1, text: text.slice(0, QUARANTINED_TEXT_MAX), reason: label.error });
  });
  if (labels.size === 0 && quarantined.length > 0) return err(`${file.name} has no usable line`);
  const version = createHash('sha256').update(file.text).digest('hex');
  return ok({ name: file.name, version, labels: [...labels.values()], quarantined });
}

function readLine(file: LabelFile, text: string): Result<Label, string> {
  switch (file.format) {
    case 'ofac':
      return labelOf(file.name, [text, BLACKLIST, 'OFAC', OFAC_SOURCE, '']);
    case 'labels': {
      const fields = splitCsv(text);
      return fields.ok ? labelOf(file.name, fields.value) : fields;
    }
    default:
      return assertNever(file.format, 'label format');
  }
}

function labelOf(list: string, fields: readonly string[]): Result<Label, string> {
  const [address = '', category = '', label = '', source = '', listedOn = '', ...more] = fields;
  if (more.length > 0 || fields.length < 5) return err(`expected 5 fields, got ${fields.length}`);
  if (!/^[a-z][a-z_]{0,39}$/.test(category)) return err(`"${category}" is no category: expected a lower-case word`);
  if (source === '') return err('a label needs a source');
  if (listedOn !== '' && !/^\d{4}-\d{2}-\d{2}$/.test(listedOn))
    return err(`"${listedOn}" is no day: expected YYYY-MM-DD`);
  const script = scriptOf(address);
  if (script === undefined) return err('no address of a Bitcoin network: unknown kind or wrong checksum');
  return ok({ script, address, category, label, source, list, ...(listedOn === '' ? {} : { listedOn }) });
}

/** Lists don't say which network they mean, and a script is the same on all of them. */
function scriptOf(address: string): string | undefined {
  for (const network of NETWORKS) {
    const script = parseAddress(address, network);
    if (script.ok) return script.value;
  }
  return undefined;
}

/** RFC 4180 without line breaks inside fields. */
function splitCsv(line: string): Result<readonly string[], string> {
  const fields: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;
  for (let ends = ','; ends === ',';) {
    const match = field.exec(line);
    if (match === null) return err('quotes that do not match');
    fields.push((match[1]?.replaceAll('""', '"') ?? match[2] ?? '').trim());
    ends = match[3] ?? '';
  }
  return ok(fields);
}
