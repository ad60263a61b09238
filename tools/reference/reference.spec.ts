import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { TOPICS } from '@finality/contracts';
import { describe, expect, it } from 'vitest';
import { apiReference } from './markdown.ts';

const root = path.resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const api = read('docs/api.md');
const topics = read('docs/topics.md');

/** Every definition in a .proto file, found by reading its text: independently of the descriptors that the reference is made from. */
function definitions(text: string): { kind: string; name: string; members: string[] }[] {
  const bare = text.replace(/\/\/.*$/gm, '').replace(/\/\*.*?\*\//gs, '');
  const open: { kind: string; name: string; members: string[] }[] = [];
  const all: typeof open = [];
  for (const line of bare.split(/(?<=[;{}])/)) {
    const opening = /(message|enum|service|oneof)\s+(\w+)\s*\{$/.exec(line.trim());
    if (opening !== null) {
      const [, kind, name] = opening as unknown as [string, string, string];
      const outer = open.filter((each) => each.kind === 'message').map((each) => each.name);
      // The members of a oneof are its message's.
      const definition = kind === 'oneof' ? open.at(-1)! : { kind, name: [...outer, name].join('.'), members: [] };
      open.push(definition);
      if (kind !== 'oneof') all.push(definition);
    } else if (line.trim().endsWith('}')) open.pop();
    else {
      const field = /(\w+)\s*=\s*(\d+)\s*(\[.*\])?\s*;$/s.exec(line.trim());
      if (field !== null && open.length > 0) open.at(-1)!.members.push(`| ${field[2]} | ${field[1]} |`);
      const rpc = /^rpc\s+(\w+)/.exec(line.trim());
      if (rpc !== null) open.at(-1)!.members.push(`| ${rpc[1]} |`);
    }
  }
  return all;
}

describe('the generated reference', () => {
  const protos = readdirSync(path.join(root, 'libs/contracts/proto/finality'), {
    recursive: true,
    encoding: 'utf8',
  }).filter((file) => file.endsWith('.proto'));

  it.each(protos)('has every message, number and rpc of %s', (file) => {
    const text = read(`libs/contracts/proto/finality/${file}`);
    const name = /^package ([\w.]+);/m.exec(text)![1]!;
    const found = definitions(text);
    expect(found.length).toBeGreaterThan(0);
    for (const definition of found) {
      const heading = `### ${name}.${definition.name}\n`;
      const section = `${api}\n${topics}`.split(heading)[1]?.split('\n#')[0];
      expect(section, heading).toBeDefined();
      for (const member of definition.members) expect(section, heading).toContain(member);
    }
  });

  it('has every topic', () => {
    for (const { name, owner, key } of Object.values(TOPICS)) {
      expect(topics).toMatch(
        new RegExp(`^\\| \\[${name.replaceAll('.', '\\.')}\\]\\(#\\S+\\) \\| ${owner} \\| ${key} \\|`, 'm'),
      );
    }
  });

  it('has no link that leads nowhere', () => {
    const anchors = (text: string): string[] =>
      [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
        heading!
          .toLowerCase()
          .replace(/[^\w\- ]/g, '')
          .replaceAll(' ', '-'),
      );
    const known = { 'api.md': anchors(api), 'topics.md': anchors(topics) };
    for (const [own, text] of [
      ['api.md', api],
      ['topics.md', topics],
    ] as const) {
      for (const [, file, anchor] of text.matchAll(/\]\(([\w.]*)#([^)]+)\)/g)) {
        expect(known[(file === '' ? own : file) as keyof typeof known], `${own}: ${file}#${anchor}`).toContain(anchor);
      }
    }
  });

  it('shows refused input as a table', () => {
    const row = {
      rpc: 'SubmitSettlement',
      input: 'amount 0',
      status: 'INVALID_ARGUMENT',
      field: 'amount_sats',
      reason: 'OUT_OF_RANGE',
    };
    expect(apiReference([], [row])).toContain(
      '| SubmitSettlement | amount 0 | INVALID_ARGUMENT | amount_sats | OUT_OF_RANGE |',
    );
  });
});
