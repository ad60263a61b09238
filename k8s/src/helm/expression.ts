/**
 * Helm's template language knows text only. The constructs, though, are made of values: so an environment can hold stand-ins, which are written out like
 * any other value and then replaced in the text. A stand-in says how: as a quoted text, a bare number, or one list item for each of several.
 */
type Kind = 'text' | 'number' | 'each' | 'eachNumber' | 'settings';

const standIn = (kind: Kind, expression: string): string => `⟦${kind} ${expression}⟧`;

/** Where a text goes. @param expression in Go's template language: `.Values.kafka.brokers` */
export const text = <T extends string>(expression: string): T => standIn('text', expression) as T;

/** Where a number goes: it reaches the text as the stand-in that it is. */
export const number = (expression: string): number => standIn('number', expression) as unknown as number;

/** Where a list of texts goes that become `cidr`s or `name`s, an item each. */
export const each = (expression: string): readonly string[] => [standIn('each', expression)];

/** Where a list of numbers goes that become `port`s of TCP, an item each. */
export const eachNumber = (expression: string): readonly number[] => [
  standIn('eachNumber', expression) as unknown as number,
];

/** Where a map of settings goes. */
export const settings = (expression: string): Readonly<Record<string, string>> => ({
  [standIn('settings', expression)]: '',
});

const ANY = /⟦/;

/** Replaces every stand-in in YAML. @throws when one is in a place where it can't be */
export function toTemplate(yaml: string): string {
  const template = yaml
    .replace(
      /^( *)- ipBlock:\n +cidr: ⟦each (.*)⟧$/gm,
      (_all, indent: string, list: string) =>
        `${indent}{{- range ${list} }}\n${indent}- ipBlock:\n${indent}    cidr: {{ . | quote }}\n${indent}{{- end }}`,
    )
    .replace(
      /^( *)- name: ⟦each (.*)⟧$/gm,
      (_all, indent: string, list: string) =>
        `${indent}{{- range ${list} }}\n${indent}- name: {{ . | quote }}\n${indent}{{- end }}`,
    )
    .replace(
      /^( *)- port: ⟦eachNumber (.*)⟧\n +protocol: TCP$/gm,
      (_all, indent: string, list: string) =>
        `${indent}{{- range ${list} }}\n${indent}- port: {{ . }}\n${indent}  protocol: TCP\n${indent}{{- end }}`,
    )
    .replace(
      /^( *)⟦settings (.*)⟧: .*$/gm,
      (_all, indent: string, map: string) =>
        `${indent}{{- range $name, $value := ${map} }}\n${indent}{{ $name }}: {{ $value | quote }}\n${indent}{{- end }}`,
    )
    .replace(/: ⟦text (.*)⟧$/gm, (_all, expression: string) => `: {{ ${expression} | quote }}`)
    .replace(/: ⟦number (.*)⟧$/gm, (_all, expression: string) => `: {{ ${expression} }}`);
  const left = template.split('\n').find((line) => ANY.test(line));
  if (left !== undefined) throw new Error(`a stand-in can't be here: ${left.trim()}`);
  return template;
}
