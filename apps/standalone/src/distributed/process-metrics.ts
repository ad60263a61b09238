import { HOST } from '../ports.ts';
import type { Place } from './fleet.ts';

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
const COMMENT = /^# (?:HELP|TYPE) (\S+)/;

/** The series of all processes that write, as one text. In a cluster, Prometheus asks each process itself. */
export class ProcessMetrics {
  readonly #placesOf: () => readonly Place[];

  constructor(placesOf: () => readonly Place[]) {
    this.#placesOf = placesOf;
  }

  async render(): Promise<{ readonly contentType: string; readonly body: string }> {
    const texts = await Promise.all(
      this.#placesOf().map(({ ports }) =>
        fetch(`http://${HOST}:${ports.http}/metrics`).then(
          (answer) => answer.text(),
          () => '',
        ),
      ),
    );
    const families = new Map<string, { readonly comments: string[]; readonly samples: string[] }>();
    for (const text of texts) collect(text, families);
    const body = [...families.values()].flatMap(({ comments, samples }) => [...comments, ...samples]).join('\n');
    return { contentType: CONTENT_TYPE, body: `${body}\n` };
  }
}

/** A family's comments come once, before all of its samples (https://prometheus.io/docs/instrumenting/exposition_formats). */
function collect(
  text: string,
  families: Map<string, { readonly comments: string[]; readonly samples: string[] }>,
): void {
  let family = { comments: [] as string[], samples: [] as string[] };
  const isNew = new Set<string>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const name = COMMENT.exec(line)?.[1];
    if (name === undefined) {
      family.samples.push(line);
      continue;
    }
    const known = families.get(name);
    if (known === undefined) isNew.add(name);
    family = known ?? { comments: [], samples: [] };
    families.set(name, family);
    if (isNew.has(name)) family.comments.push(line);
  }
}
